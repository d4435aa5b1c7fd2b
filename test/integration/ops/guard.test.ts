import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkout, npmBin } from "../../../ops/process.ts";

/** Prints its own pid and that of a child, then lives for an hour. */
const FAMILY = `import os, signal, subprocess
signal.signal(signal.SIGINT, lambda *_: os._exit(0))
child = subprocess.Popen(["sleep", "3600"])
print("pids", os.getpid(), child.pid, flush=True)
child.wait()`;
const STARTER = `
import { startGuarded } from ${JSON.stringify(path.join(checkout, "ops/start/guarded.ts"))};
const guarded = startGuarded("family", ["python3", "-c", ${JSON.stringify(FAMILY)}], { env: process.env, onLine: console.log });
process.stdin.on("data", () => void guarded.stop().then((code) => console.log("stopped", code)));
`;

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "guard-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function allGone(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (pids.some(isAlive)) {
    if (performance.now() > deadline) throw new Error(`still alive: ${pids.filter(isAlive).join(", ")}`);
    await wait(50);
  }
}

async function startFamily(): Promise<{
  starter: ReturnType<typeof spawn>;
  pids: number[];
  lines: AsyncIterator<string>;
}> {
  const starter = spawn(npmBin("node"), ["--input-type=module-typescript", "-e", STARTER], {
    cwd: folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: starter.stdout })[Symbol.asyncIterator]();
  const first = (await lines.next()).value as string;
  const pids = first.replace("pids ", "").split(" ").map(Number);
  expect(pids.every(isAlive)).toBe(true);
  return { starter, pids, lines };
}

describe("a guarded program", () => {
  test("ends with all it started when its starter is killed with -9", async () => {
    const { starter, pids } = await startFamily();
    starter.kill("SIGKILL");
    await once(starter, "exit");
    await allGone(pids);
  });

  test("ends with all it started when it is asked to", async () => {
    const { starter, pids, lines } = await startFamily();
    starter.stdin?.write("stop\n");
    expect((await lines.next()).value).toMatch(/^stopped \d+$/);
    await allGone(pids);
    starter.kill();
  });
});
