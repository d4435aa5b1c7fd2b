import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import type { DataFolder } from "./data_folder.ts";
import type { Engine, EngineName } from "./engine.ts";
import { EngineFault } from "./engine_fault.ts";
import { findFreePort } from "./free_port.ts";

const GUARD = path.join(import.meta.dirname, "../start/guard.ts");
/** Only a hang reaches it: recovery after a crash may take its time. */
const READY_WITHIN_MS = 120_000;
const POLL_MS = 20;
/** A server that finds its port taken ends at once. */
const END_WITHIN_MS = 5000;
/** Somebody may take a free port between the look and the start. */
const PORT_TRIES = 5;
const TAIL_LINES = 15;
const PORT_TAKEN = /address already in use|EADDRINUSE|unable to listen|could not bind|cannot listen/i;

/** How to run an engine, and how to see that it answers. */
export interface Plan {
  readonly name: EngineName;
  /** Asked for by the caller; 0 for any. */
  readonly port: number;
  /** The command for a port; for port 0 when the engine chooses one itself. */
  readonly command: (port: number) => readonly [string, ...string[]];
  /** Finds the port in the log of an engine that chooses it itself. */
  readonly portInLog?: RegExp;
  /** Signals that end it, each with the milliseconds it is given. */
  readonly signals: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly url: (port: number) => string;
  /** Rejects as long as it does not answer. */
  readonly ping: (url: string) => Promise<void>;
}

/**
 * Runs the engine under guard (see `ops/start/guard.ts`) and waits until it answers.
 * @throws {EngineFault} `port_taken`, `engine_failed`
 */
export async function runEngine(folder: DataFolder, plan: Plan): Promise<Engine> {
  for (let attempt = 1; ; attempt += 1) {
    const port = plan.port !== 0 || plan.portInLog !== undefined ? plan.port : await findFreePort();
    const running = await run(folder, plan, port);
    try {
      return await untilReady(folder, plan, port, running);
    } catch (error) {
      await running.stop();
      if (!(error instanceof EngineFault && error.code === "port_taken")) throw error;
      if (plan.port !== 0 || attempt === PORT_TRIES) throw error;
    }
  }
}

interface Running {
  readonly ended: Promise<void>;
  readonly hasEnded: () => boolean;
  readonly stop: () => Promise<void>;
  /** What it wrote since this start. */
  readonly log: () => string;
}

async function run(folder: DataFolder, plan: Plan, port: number): Promise<Running> {
  const { logFile } = folder;
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [GUARD, `--signals=${plan.signals}`, ...plan.command(port)], {
    cwd: folder.path,
    env: { ...plainEnvironment(), ...plan.env },
    stdio: ["pipe", log, log],
  });
  closeSync(log);
  child.stdin?.on("error", () => {
    // It ended first.
  });
  await once(child, "spawn");
  if (child.pid !== undefined) folder.setGuard(child.pid);
  const ended = once(child, "exit").then(() => undefined);
  return {
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => {
      child.stdin?.end();
      return ended;
    },
    log: () => readFileSync(logFile).subarray(logStart).toString(),
  };
}

/** Nothing of ours reaches an engine: neither secrets nor settings such as `PGHOST` or `NODE_OPTIONS`. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), LC_ALL: "C", TZ: "UTC" };
}

async function untilReady(folder: DataFolder, plan: Plan, asked: number, running: Running): Promise<Engine> {
  const deadline = performance.now() + READY_WITHIN_MS;
  let lastError: unknown;
  while (performance.now() < deadline) {
    // Before the ping: what answers on the port of an engine that has ended is another program.
    if (running.hasEnded()) throw failure(plan, asked, folder, running.log(), "ended instead of starting");
    const port = asked !== 0 ? asked : Number(plan.portInLog?.exec(running.log())?.[1] ?? 0);
    if (port !== 0) {
      const url = plan.url(port);
      try {
        // Another program on its port may take the question and never answer.
        await Promise.race([plan.ping(url), running.ended.then(() => Promise.reject(new Error("it ended")))]);
        return toEngine(folder, plan.name, url, port, running);
      } catch (error) {
        lastError = error;
        if (isFinal(error)) {
          // Unless that was another server on its port: then it ends by itself.
          await Promise.race([running.ended, wait(END_WITHIN_MS)]);
          if (!running.hasEnded()) throw failure(plan, asked, folder, running.log(), `answered: ${messageOf(error)}`);
        }
      }
    }
    await wait(POLL_MS);
  }
  const last = `did not answer within ${READY_WITHIN_MS / 1000} s (${messageOf(lastError)})`;
  throw failure(plan, asked, folder, running.log(), last);
}

/** SQLSTATE of a server that is still starting: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const CANNOT_CONNECT_NOW = "57P03";

/** A server that says no will say so again; one that cannot be reached yet may be. */
function isFinal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code !== CANNOT_CONNECT_NOW;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failure(plan: Plan, port: number, folder: DataFolder, log: string, what: string): EngineFault {
  const tail = log.trimEnd().split("\n").slice(-TAIL_LINES).join("\n    ");
  if (PORT_TAKEN.test(log)) {
    return new EngineFault(
      "port_taken",
      `${plan.name} cannot use port ${port} of 127.0.0.1: another program listens on it. Name another port, or 0 for any.`,
    );
  }
  return new EngineFault("engine_failed", `${plan.name} ${what}. The end of ${folder.logFile}:\n    ${tail}`);
}

function toEngine(folder: DataFolder, name: EngineName, url: string, port: number, running: Running): Engine {
  const ended = running.ended.then(folder.release);
  const stop = async (): Promise<void> => {
    await running.stop();
    await ended;
  };
  return { name, url, port, logFile: folder.logFile, ended, stop, [Symbol.asyncDispose]: stop };
}
