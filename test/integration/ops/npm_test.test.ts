import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkout, npmBin } from "../../../ops/process.ts";

const PASSES = `import { test } from "vitest"; test("holds", () => {});`;
const FAILS = `import { expect, test } from "vitest"; test("holds not", () => { expect(1).toBe(2); });`;

let project: string;

beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), "npm-test-"));
  symlinkSync(path.join(checkout, "node_modules"), path.join(project, "node_modules"));
  write("package.json", `{ "type": "module" }`);
  write("vitest.config.ts", `export default { test: { include: ["test/**/*.test.ts"], pool: "forks" } };`);
});
afterEach(() => {
  rmSync(project, { recursive: true });
});

function write(file: string, text: string): void {
  const full = path.join(project, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text);
}

function npmTest(...args: string[]): { status: number | null; output: string; lastLine: string | undefined } {
  const { status, stdout, stderr } = spawnSync(npmBin("node"), [path.join(checkout, "ops/test.ts"), ...args], {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, output: stdout + stderr, lastLine: stdout.trimEnd().split("\n").at(-1) };
}

describe("npm test", () => {
  test("counts the tests of both languages together", () => {
    write("test/unit/a.test.ts", PASSES);
    write("test/unit/test_b.py", "def test_one() -> None: ...\ndef test_two() -> None: ...\n");
    expect(npmTest()).toMatchObject({ status: 0, lastLine: "3 passed, 0 failed" });
  });

  test("a failed test of either language fails it", () => {
    write("test/unit/a.test.ts", PASSES);
    write("test/unit/b.test.ts", FAILS);
    write("test/unit/test_c.py", "def test_one() -> None:\n    assert 1 == 2\n");
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "1 passed, 2 failed" });
  });

  test("skipped tests are named only when there are some", () => {
    write("test/unit/a.test.ts", PASSES + `test.skip("later", () => {}); test.todo("some day");`);
    write("test/unit/test_b.py", "import pytest\n@pytest.mark.skip\ndef test_one() -> None: ...\n");
    expect(npmTest()).toMatchObject({ status: 0, lastLine: "1 passed, 0 failed, 3 skipped" });
  });

  test("a file that cannot be loaded counts as failed", () => {
    write("test/unit/a.test.ts", PASSES);
    write("test/unit/b.test.ts", `import "./absent.ts";`);
    write("test/unit/test_c.py", "import absent_module\n");
    write("test/unit/test_d.py", "def test_one() -> None: ...\n");
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "2 passed, 2 failed" });
  });

  test("a file without a test counts as failed", () => {
    write("test/unit/a.test.ts", PASSES);
    write("test/unit/test_b.py", "ONE = 1\n");
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "1 passed, 1 failed" });
  });

  test("a rejection that nobody handles fails it although every test passes", () => {
    write("test/unit/a.test.ts", PASSES + `void Promise.reject(new Error("nobody waits for me"));`);
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "1 passed, 1 failed" });
  });

  test("a test process that dies counts as failed, in vitest and in pytest", () => {
    write(
      "test/unit/a.test.ts",
      `import { test } from "vitest"; test("dies", () => { process.kill(process.pid, 9); });`,
    );
    write("test/unit/b.test.ts", PASSES);
    write("test/unit/test_c.py", "import os\n\ndef test_dies() -> None:\n    os.kill(os.getpid(), 9)\n");
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "1 passed, 2 failed" });
  });

  test("a runner that cannot start counts as failed", () => {
    write("test/unit/a.test.ts", PASSES);
    write("vitest.config.ts", `throw new Error("broken configuration");`);
    expect(npmTest()).toMatchObject({ status: 1, lastLine: "0 passed, 1 failed" });
  });

  test("runs unit, integration, e2e, then whatever else lies under test/", () => {
    for (const stage of ["e2e", "integration", "unit", "more"]) write(`test/${stage}/a.test.ts`, PASSES);
    const { output, lastLine } = npmTest();
    const order = [...output.matchAll(/^(\w+), TypeScript: 1 files$/gm)].map((match) => match[1]);
    expect(order).toEqual(["unit", "integration", "e2e", "other"]);
    expect(lastLine).toBe("4 passed, 0 failed");
  });

  test("narrows both runners to a stage or a piece of a path", () => {
    write("test/unit/a.test.ts", PASSES);
    write("test/unit/test_a.py", "def test_one() -> None: ...\n");
    write("test/e2e/unit_price.test.ts", FAILS);
    write("test/e2e/fixtures/mini/test/a.test.ts", FAILS);
    expect(npmTest("unit")).toMatchObject({ status: 0, lastLine: "2 passed, 0 failed" });
    expect(npmTest("unit_price")).toMatchObject({ status: 1, lastLine: "0 passed, 1 failed" });
    expect(npmTest("./test/unit/a.test.ts", "test_a")).toMatchObject({ status: 0, lastLine: "2 passed, 0 failed" });
  });

  test("a part that matches nothing fails it", () => {
    write("test/unit/a.test.ts", PASSES);
    expect(npmTest("absent")).toMatchObject({ status: 1, lastLine: "0 passed, 0 failed" });
  });
});
