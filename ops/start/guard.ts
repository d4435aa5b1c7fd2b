// Runs one program in a process group of its own, and ends the whole group when standard input ends.
// The command that started us holds the other end of it, so even kill -9 of that command leaves nothing behind.
import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";

/**
 * Signals, and how many milliseconds each is given. Dagster marks its runs as cancelled on the first one.
 * Another ladder: `--signals=SIGQUIT:3000,SIGKILL:5000` before the command.
 */
const LADDER = "SIGINT:15000,SIGTERM:5000,SIGKILL:5000";

const given =
  process.argv[2]?.startsWith("--signals=") === true ? process.argv[2].slice("--signals=".length) : undefined;
const ladder = (given ?? LADDER).split(",").map((step) => step.split(":") as [NodeJS.Signals, string]);
const [command = "", ...args] = process.argv.slice(given === undefined ? 2 : 3);
const child = spawn(command, args, { detached: true, stdio: ["ignore", "inherit", "inherit"] });
let stopping: Promise<void> | undefined;

child.on("error", (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on("exit", (code, signal) => {
  // What the program itself left behind ends with it.
  void stop().then(() => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
});

process.stdin.on("close", () => void stop()).resume();
process.on("SIGTERM", () => void stop());
process.on("SIGHUP", () => void stop());
process.on("SIGINT", () => {
  // Ctrl-C reaches us as part of the terminal's group; the command that started us decides what happens.
});

function stop(): Promise<void> {
  stopping ??= endGroup();
  return stopping;
}

async function endGroup(): Promise<void> {
  for (const [signal, patienceMs] of ladder) {
    if (!signalGroup(signal)) return;
    const deadline = performance.now() + Number(patienceMs);
    while (performance.now() < deadline) {
      await wait(50);
      if (!signalGroup(0)) return;
    }
  }
}

/** @returns false when no process of the group is left. */
function signalGroup(signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    process.kill(-child.pid, signal);
    return true;
  } catch {
    return false;
  }
}
