import { spawn } from "node:child_process";
import { checkout, pythonBin } from "../../ops/process.ts";

/** What one run of a contender took. */
export interface Measured {
  readonly seconds: number;
  /** Processor time of all its processes: steadier than `seconds` where the machine has other work. */
  readonly cpuS?: number | undefined;
  /** Resident memory of its largest process at its peak; `undefined` where nobody looked. */
  readonly peakMb?: number | undefined;
  /** Parts of the time, and other figures: shown beside it. */
  readonly extra?: Readonly<Record<string, number>> | undefined;
}

/** A command that ended well. */
export interface MeasuredCommand extends Measured {
  readonly stdout: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Lines of output shown when a command fails. */
const TAIL_LINES = 30;

/**
 * Runs a command as a contender: wall time from its start to its end, with the start of its interpreter; the memory of
 * its largest process.
 *
 * @throws Error when it fails, with the end of its output
 */
export async function measure(
  command: readonly [string, ...string[]],
  { cwd = checkout, env = {} }: CommandOptions = {},
): Promise<MeasuredCommand> {
  const child = spawn(pythonBin("python"), ["-IS", `${import.meta.dirname}/measure.py`, ...command], {
    cwd,
    // Python keeps its compiled files, wherever the bench runs: all contenders find them after the first round.
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "", ...env },
    // Standard input stays open for as long as this process lives. In a session of its own, a Ctrl-C reaches it only so.
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const [, out, err, result] = child.stdio;
  const [stdout, stderr, text] = await Promise.all([
    read(out),
    read(err),
    read(result as NodeJS.ReadableStream),
    new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => {
        resolve();
      });
    }),
  ]);
  const { code, ...measured } = JSON.parse(text === "" ? '{"code": 1}' : text) as Measured & { readonly code: number };
  if (code !== 0) {
    const tail = `${stdout}${stderr}`.trimEnd().split("\n").slice(-TAIL_LINES).join("\n  ");
    throw new Error(`${command.join(" ")} ended with ${code}:\n  ${tail}`);
  }
  return { ...measured, stdout };
}

async function read(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}
