import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkout } from "../../ops/process.ts";

let clone: string;

beforeAll(() => {
  clone = mkdtempSync(path.join(tmpdir(), "fresh-clone-"));
  expect(spawnSync("git", ["clone", "--quiet", checkout, clone]).status).toBe(0);
});
afterAll(() => {
  rmSync(clone, { recursive: true });
});

function npm(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  // Without what the surrounding npm and checkout put into the environment.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_|VIRTUAL_ENV)/.test(name)),
  );
  env["PATH"] = (env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.startsWith(checkout))
    .join(":");
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: clone, encoding: "utf8", env });
  return { status, stdout, stderr };
}

describe("a fresh clone", () => {
  test("materializes the whole reference graph with one command", () => {
    const { status, stdout } = npm("start", "--", "--once");
    expect(stdout).toMatch(/^retail\/raw_events +1,469,307 /m);
    expect(status).toBe(0);
  });

  test("sets nothing up the second time, and ends with the same tables", () => {
    const { status, stdout, stderr } = npm("start", "--", "--once");
    expect(stderr).not.toContain("[set-up]");
    // Its cursor is at the end of the API's lines; what is made of all of them tells that they are there once.
    expect(stdout).toMatch(/^retail\/raw_events +0 /m);
    expect(stdout).toMatch(/^retail\/cleaned_events +1,460,438 /m);
    expect(status).toBe(0);
  });

  test("stays as git has it", () => {
    expect(spawnSync("git", ["status", "--porcelain"], { cwd: clone, encoding: "utf8" }).stdout).toBe("");
  });
});
