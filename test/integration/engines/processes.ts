import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

/** A process and what it runs. */
export interface Process {
  readonly pid: number;
  readonly command: string;
}

/** Everything that a process started, and what that started; itself not. */
export function descendantsOf(root: number): Process[] {
  const all = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, command]) => ({ pid: Number(pid), parent: Number(parent), command: command ?? "" }));
  const childrenOf = (parent: number): Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...childrenOf(one.pid)]);
  return childrenOf(root).filter((one) => !one.command.startsWith("ps -eo"));
}

/** The guard of the engine that runs on a folder, and the engine. */
export function processesOf(dataDir: string): { readonly guard: number; readonly engine: readonly Process[] } {
  const claim = JSON.parse(readFileSync(path.join(dataDir, "in_use.json"), "utf8")) as { guardPid: number };
  return { guard: claim.guardPid, engine: descendantsOf(claim.guardPid) };
}

/** Whether the process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
