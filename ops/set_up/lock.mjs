import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { setTimeout as wait } from "node:timers/promises";
import { say } from "./step.mjs";

const HEARTBEAT_MS = 1000;
// The holder touches the file every second; a busy or sleeping machine gets some patience.
const STALE_AFTER_MS = 30_000;

/**
 * Runs `work` while no other command sets up the same checkout; waits for one that does.
 * The lock of a killed command is taken over: its process is gone, or its heartbeat has stopped.
 * @template T
 * @param {string} root
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSetUpLock(root, work) {
  const file = path.join(root, ".state/set_up.lock");
  mkdirSync(path.dirname(file), { recursive: true });
  await take(file);
  const heartbeat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch {
      // Somebody removed `.state`: the work itself will show whether that matters.
    }
  }, HEARTBEAT_MS);
  const release = () => {
    if (holderOf(file) === process.pid) rmSync(file, { force: true });
  };
  process.once("exit", release);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off("exit", release);
    release();
  }
}

async function take(file) {
  let hasSaid = false;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isStale(file)) {
      // Renaming replaces in one step. Of two commands that both saw a dead holder, the later one wins, and
      // the pause lets the other notice.
      const mine = `${file}.${process.pid}`;
      writeFileSync(mine, String(process.pid));
      renameSync(mine, file);
      await wait(200);
      if (holderOf(file) === process.pid) return;
      continue;
    }
    if (!hasSaid)
      say(`another command (pid ${holderOf(file) ?? "unknown"}) is setting up this checkout; waiting for it`);
    hasSaid = true;
    await wait(200);
  }
}

function holderOf(file) {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isStale(file) {
  const pid = holderOf(file);
  try {
    if (Date.now() - statSync(file).mtimeMs > STALE_AFTER_MS) return true;
    if (pid === undefined) return false; // just created, not yet written
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
