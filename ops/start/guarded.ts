import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

/** A program that cannot outlive this one. See `guard.ts`. */
export interface Guarded {
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
  /** Ends it and everything it started: SIGINT first, SIGKILL in the end. */
  readonly stop: () => Promise<number>;
  /** The last lines it printed. */
  readonly tail: (lines?: number) => string;
  readonly logFile: string;
}

const GUARD = path.join(import.meta.dirname, "guard.ts");

/**
 * Starts a program under guard. Its output goes to a log file, and line by line to `onLine`.
 * @param name names the log file, `.state/logs/<name>.log`
 */
export function startGuarded(
  name: string,
  command: readonly [string, ...string[]],
  options: { readonly env: NodeJS.ProcessEnv; readonly onLine?: (line: string) => void },
): Guarded {
  const logFile = path.join(".state/logs", `${name}.log`);
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile);
  log.on("error", () => {
    // On a full disk the program matters, not its log.
  });
  const child = spawn(process.execPath, [GUARD, ...command], { env: options.env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {
    // It ended first.
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      log.write(`${line}\n`);
      options.onLine?.(line);
    });
  }
  const ended = new Promise<number>((resolve) => {
    child.on("error", (error) => {
      log.end(`${error.message}\n`, () => {
        resolve(127);
      });
    });
    child.on("close", (code) => {
      log.end(() => {
        resolve(code ?? 143);
      });
    });
  });
  return {
    ended,
    stop: () => {
      child.stdin.end();
      return ended;
    },
    tail: (lines = 20) => readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n"),
    logFile,
  };
}
