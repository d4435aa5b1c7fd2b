import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkout, npmBin } from "../../../ops/process.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "commands-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function command(name: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(npmBin("node"), [path.join(checkout, `ops/${name}.ts`), ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

test.each(["start", "test", "check", "format", "soak", "bench"])(
  "npm run %s -- --help explains itself and does nothing",
  (name) => {
    const { status, stdout } = command(name, "--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^npm (run )?\w+/);
  },
);

test.each(["start", "test", "check", "format"])(
  "npm run %s with an option that there is not says so, explains itself and ends with exit code 2",
  (name) => {
    const { status, stdout, stderr } = command(name, "--bogus");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^Unknown option '--bogus'.*\n\nnpm (run )?\w+/);
    expect(stderr).not.toMatch(/^ +at /m);
  },
);

describe("npm run check", () => {
  test("says one line for a step that holds, and fails with the output of one that does not", () => {
    writeFileSync(path.join(folder, "good.py"), "ONE = 1\n");
    expect(command("check", "format Python")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^ok +format Python +\d+\.\d s\n$/) as string,
    });
    writeFileSync(path.join(folder, "bad.py"), "ONE=1\n");
    const { status, stdout } = command("check", "format Python");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^failed format Python/);
    expect(stdout).toContain("bad.py");
    expect(stdout).not.toContain("good.py");
  });

  test("fails when no step has the name", () => {
    expect(command("check", "absent").status).toBe(1);
  });
});

describe("npm run bench", () => {
  beforeEach(() => {
    mkdirSync(path.join(folder, "bench"));
    writeFileSync(
      path.join(folder, "bench/step.ts"),
      `// What a step costs.\nconsole.log(process.argv.slice(2)); process.exitCode = 3;`,
    );
  });

  test("lists the benches with what they measure", () => {
    expect(command("bench").stdout).toMatch(/^ {2}step +What a step costs\.$/m);
  });

  test("runs one with its options and ends as it does", () => {
    expect(command("bench", "step", "--quick")).toMatchObject({ status: 3, stdout: "[ '--quick' ]\n" });
  });

  test("names the benches there are when there is none of that name", () => {
    const { status, stderr } = command("bench", "absent");
    expect(status).toBe(2);
    expect(stderr).toContain("step");
  });
});
