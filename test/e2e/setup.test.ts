import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkout } from "../../ops/process.ts";

/**
 * A checkout in small, with the real set-up, the real npm, pip and uv, and locks that hold next to nothing:
 * the pinned Node, uv, one Python package, the sample data.
 */
let project: string;
/** A folder with nothing but what the set-up is promised to have: Node and npm, and no Python. */
let binsWithoutPython: string;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  /** Where set-up talks. */
  readonly stderr: string;
}

beforeAll(() => {
  project = mkdtempSync(path.join(tmpdir(), "setup-"));
  binsWithoutPython = mkdtempSync(path.join(tmpdir(), "bins-"));
  for (const name of ["node", "npm", "sh"]) symlinkSync(which(name), path.join(binsWithoutPython, name));

  for (const file of ["ops/run.mjs", "ops/setup.mjs", "ops/set_up", "ops/python", ".npmrc"]) {
    cpSync(path.join(checkout, file), path.join(project, file), { recursive: true });
  }
  write(
    "ops/test.ts",
    `console.log("command on Node", process.versions.node.split(".")[0], process.argv.slice(2).join());`,
  );
  write("ops/start.ts", `console.log("started");`);
  const { version, optionalDependencies } = JSON.parse(readFileSync(path.join(checkout, "package.json"), "utf8")) as {
    version: string;
    optionalDependencies: Record<string, string>;
  };
  write("package.json", JSON.stringify({ name: "mini", version, type: "module", optionalDependencies }));
  const lock = readFileSync(path.join(checkout, "ops/python/test.lock"), "utf8");
  write("ops/python/dagster.lock", /^iniconfig==.*\n(?: {4}.*\n)+/m.exec(lock)?.[0] ?? "");
  write("ops/python/test.lock", /^packaging==.*\n(?: {4}.*\n)+/m.exec(lock)?.[0] ?? "");
});
afterAll(() => {
  rmSync(project, { recursive: true });
  rmSync(binsWithoutPython, { recursive: true });
});

function write(file: string, content: string): void {
  mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
  writeFileSync(path.join(project, file), content);
}

/** Writes a file that can be run. @returns its path */
function script(file: string, content: string): string {
  write(file, content);
  chmodSync(path.join(project, file), 0o755);
  return path.join(project, file);
}

const read = (file: string): string => readFileSync(path.join(project, file), "utf8");

/** Where the system has a program. Not the checkout's own Node: set-up runs on any. */
function which(name: string): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => !folder.startsWith(checkout));
  const found = folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
  if (found === undefined) throw new Error(`no ${name} in PATH`);
  return found;
}

async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const child = spawn(which("node"), ["ops/run.mjs", ...args], {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...clean, ...env },
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

// In this order: each goes on from where the one before left the checkout, as a user's day would.
describe("set-up", () => {
  test("without Python says so, and how to get it", async () => {
    const { code, stderr } = await runCommand(["test"], { PATH: binsWithoutPython, PYTHON: "" });
    expect(code).toBe(1);
    expect(stderr).toContain("stopped (python_missing)");
    expect(stderr).toContain("apt install python3");
  });

  test("with a Python that is too old names what it found", async () => {
    const { code, stderr } = await runCommand(["test"], {
      PYTHON: script("old_python", `#!/bin/sh\necho '{"version": [3, 9, 2], "executable": "/old", "venv": true}'\n`),
    });
    expect(code).toBe(1);
    expect(stderr).toContain("stopped (python_version)");
    expect(stderr).toContain("3.9.2");
  });

  test("with a Python that cannot make environments names the package that is missing", async () => {
    const { code, stderr } = await runCommand(["test"], {
      PYTHON: script(
        "bare_python",
        `#!/bin/sh\necho '{"version": [3, 12, 1], "executable": "/bare", "venv": false}'\n`,
      ),
    });
    expect(code).toBe(1);
    expect(stderr).toContain("stopped (python_venv_missing)");
    expect(stderr).toContain("python3.12-venv");
  });

  test("notices a package that is not the one in the lock", async () => {
    const lock = read("ops/python/dagster.lock");
    write("ops/python/dagster.lock", lock.replaceAll(/sha256:[0-9a-f]{8}/g, "sha256:00000000"));
    const { code, stderr, stdout } = await runCommand(["start"]);
    expect(code).toBe(1);
    expect(stderr).toContain("stopped (lock_mismatch)");
    expect(stdout).toBe("");
    write("ops/python/dagster.lock", lock);
  });

  test("goes on where it was broken off, then runs the command with the pinned Node", async () => {
    const { code, stderr, stdout } = await runCommand(["start"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "started\n" });
    expect(stderr).toContain("Python packages: done");
    expect(existsSync(path.join(project, "data/completejourney/transactions.parquet"))).toBe(true);
  });

  test("installs the test tools only for the commands that need them", async () => {
    const { code, stderr, stdout } = await runCommand(["test", "unit"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "command on Node 24 unit\n" });
    expect(stderr).not.toContain("npm packages");
    expect(stderr).toContain("Python packages: done");
  });

  test.each(["test", "start"])("does and says nothing before npm %s when nothing changed", async (command) => {
    expect(await runCommand([command])).toMatchObject({ code: 0, stderr: "" });
  });

  test("is not needed twice by two commands at once, and the second says what it waits for", async () => {
    rmSync(path.join(project, "node_modules"), { recursive: true });
    const both = await Promise.all([runCommand(["test"]), runCommand(["test"])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const said = both.map(({ stderr }) => stderr).join("");
    expect(said.match(/npm packages: done/g)).toHaveLength(1);
    expect(said).toContain("is setting up this checkout");
  });

  test("takes over the lock of a command that was killed", async () => {
    write(".state/set_up.lock", "2147483646");
    write("package.json", read("package.json").replace(`"mini"`, `"mini-changed"`));
    const { code, stderr } = await runCommand(["test"]);
    expect(code).toBe(0);
    expect(stderr).toContain("npm packages: done");
    expect(existsSync(path.join(project, ".state/set_up.lock"))).toBe(false);
  });

  test("makes the Python environment anew when its Python is gone", async () => {
    rmSync(path.join(project, ".venv/bin/python"));
    symlinkSync("/absent/python", path.join(project, ".venv/bin/python"));
    const { code, stderr } = await runCommand(["start"]);
    expect(code).toBe(0);
    expect(stderr).toContain("environment: done");
  });

  test("leaves the lock files as they were", () => {
    expect(existsSync(path.join(project, "package-lock.json"))).toBe(false);
    expect(read("ops/python/data.lock")).toBe(readFileSync(path.join(checkout, "ops/python/data.lock"), "utf8"));
  });
});
