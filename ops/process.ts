// Running other programs from a command, without leaving any behind.
import { spawn, type ChildProcess } from "node:child_process";
import path from "node:path";

/** The checkout that this file belongs to. Tools come from here. */
export const checkout = path.resolve(import.meta.dirname, "..");

/** An executable of an npm package, such as `vitest`. */
export const npmBin = (name: string): string => path.join(checkout, "node_modules/.bin", name);

/** An executable of the Python environment, such as `ruff`. */
export const pythonBin = (name: string): string => path.join(checkout, ".venv/bin", name);

/** How a program ended. */
export interface Finished {
  /** Exit code; 128 + n when signal n ended it; 127 when it could not be started. */
  readonly code: number;
  /** Standard output and error, when they were not shown. */
  readonly output: string;
  readonly seconds: number;
}

const running = new Set<ChildProcess>();

/**
 * Runs a program to its end.
 * @param options.show give it our own standard output and error; else they are collected. @default false
 */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly show?: boolean; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const start = performance.now();
  const io = options.show === true ? "inherit" : "pipe";
  const { cwd } = options;
  const child = spawn(command, args, { cwd, stdio: ["ignore", io, io], env: { ...process.env, ...options.env } });
  running.add(child);
  let output = "";
  const keep = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return new Promise((resolve) => {
    const end = (code: number): void => {
      running.delete(child);
      resolve({ code, output, seconds: (performance.now() - start) / 1000 });
    };
    child.on("error", (error) => {
      output += `${error.message}\n`;
      end(127);
    });
    child.on("close", (code, signal) => {
      end(code ?? 128 + (signal === "SIGKILL" ? 9 : signal === "SIGINT" ? 2 : 15));
    });
  });
}

/**
 * Calls `stop` once, with an exit code, when this command is interrupted, terminated, or its parent is gone.
 * By default the running programs are ended and then this one.
 */
export function onStop(stop: (code: number) => void = endNow): void {
  const once = (code: number) => (): void => {
    stop(code);
  };
  process.on("SIGINT", once(130));
  process.on("SIGTERM", once(143));
  // `ops/run.mjs` holds the other end of this channel, and even kill -9 closes it.
  process.on("disconnect", once(143));
  process.channel?.unref();
}

function endNow(code: number): void {
  for (const child of running) child.kill("SIGTERM");
  process.exit(code);
}
