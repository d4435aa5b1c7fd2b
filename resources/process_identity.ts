import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * A process, told apart from every other one on any machine and at any time: host, boot, PID namespace, PID and start,
 * joined by dots and fit for a file name.
 */
export type ProcessIdentity = string;

/** This process. */
export function thisProcess(): ProcessIdentity {
  return [...thisMachine(), process.pid, tryGetStart(process.pid) ?? ""].join(".");
}

/** Whether the process runs; `undefined` when it belongs to another machine, where nobody here can tell. */
export function tryGetAlive(identity: ProcessIdentity): boolean | undefined {
  const [host, boot, namespace, pid, start] = identity.split(".");
  const here = thisMachine();
  if (host !== here[0]) return undefined;
  // The same host after a restart: nothing from before it lives.
  if (boot !== here[1]) return false;
  if (namespace !== here[2]) return undefined;
  return tryGetStart(Number(pid)) === start;
}

function thisMachine(): [host: string, boot: string, namespace: string] {
  const boot = tryRead(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")) ?? "";
  const namespace = tryRead(() => readlinkSync("/proc/self/ns/pid")) ?? "";
  return [digest(hostname()), digest(boot), digest(namespace)];
}

function tryGetStart(pid: number): string | undefined {
  if (process.platform === "linux") {
    // proc_pid_stat(5): the 22nd field; the 2nd may hold spaces and parentheses, so count from the last ")".
    const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
    const [state, ...rest] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    // A zombie holds nothing open any more.
    return state === "Z" ? undefined : rest[18];
  }
  const start = tryRead(() => execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim());
  return start === undefined || start === "" ? undefined : digest(start);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

function tryRead(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
