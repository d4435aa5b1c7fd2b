import { parseArgs } from "node:util";
import { type Result, holds, resultLine, resultTable } from "./result.ts";

/** What a bench is told on the command line. */
export interface BenchOptions {
  readonly rounds: number;
  /** Prints a line of progress. */
  readonly say: (line: string) => void;
}

/** A bench: its name, its words for `--help`, and what it does. */
export interface Bench {
  readonly name: string;
  readonly help: string;
  /** @default 5 */
  readonly rounds?: number;
  readonly run: (options: BenchOptions) => Promise<Omit<Result, "bench">>;
}

/**
 * Runs a bench: progress, a table, and as the last line one JSON object. Exit code 1 when a bar does not hold, 2 when
 * the arguments make no sense.
 */
export async function runBench({ name, help, rounds: defaultRounds = 5, run }: Bench): Promise<void> {
  const usage = `npm run bench -- ${name} [options]

${help}

  --rounds N  how often each contender runs, in turn with the others (default ${defaultRounds})
  --help      this text

The last line is one JSON object; exit code 1 when a bar does not hold.`;
  const rounds = readRounds(usage, defaultRounds);
  if (rounds === undefined) return;
  const start = performance.now();
  const say = (line: string): void => {
    console.log(`[${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s] ${line}`);
  };
  const result: Result = { bench: name, ...(await run({ rounds, say })) };
  console.log(`\n${resultTable(result)}\n\n${resultLine(result)}`);
  if (!result.bars.every(holds)) process.exitCode = 1;
}

function readRounds(usage: string, defaultRounds: number): number | undefined {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: String(defaultRounds) },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      return undefined;
    }
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds takes a whole number, not "${values.rounds}"`);
    return rounds;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}
