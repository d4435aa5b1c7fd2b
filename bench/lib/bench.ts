import { parseArgs } from "node:util";
import { type Result, holds, resultLine, resultTable } from "./result.ts";

/** What a bench is told on the command line. */
export interface BenchOptions {
  readonly rounds: number;
  /** The parts to run, of those that the bench has. */
  readonly parts: readonly string[];
  /** Prints a line of progress. */
  readonly say: (line: string) => void;
}

/** A bench: its name, its words for `--help`, and what it does. */
export interface Bench {
  readonly name: string;
  readonly help: string;
  /** @default 5 */
  readonly rounds?: number;
  /** Names of parts that can be run alone. */
  readonly parts?: readonly string[];
  readonly run: (options: BenchOptions) => Promise<Omit<Result, "bench">>;
}

/**
 * Runs a bench: progress, a table, and as the last line one JSON object. Exit code 1 when a bar does not hold, 2 when
 * the arguments make no sense.
 */
export async function runBench({ name, help, rounds: defaultRounds = 5, parts = [], run }: Bench): Promise<void> {
  const choice = parts.length === 0 ? "" : `\n  PART        run these only, of: ${parts.join(", ")}`;
  const usage = `npm run bench -- ${name}${parts.length === 0 ? "" : " [PART…]"} [options]

${help}
${choice}
  --rounds N  how often each contender runs, in turn with the others (default ${defaultRounds})
  --help      this text

The last line is one JSON object; exit code 1 when a bar does not hold.`;
  const options = readOptions(usage, defaultRounds, parts);
  if (options === undefined) return;
  const start = performance.now();
  const say = (line: string): void => {
    console.log(`[${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s] ${line}`);
  };
  const result: Result = { bench: name, ...(await run({ ...options, say })) };
  console.log(`\n${resultTable(result)}\n\n${resultLine(result)}`);
  if (!result.bars.every(holds)) process.exitCode = 1;
}

function readOptions(
  usage: string,
  defaultRounds: number,
  parts: readonly string[],
): Omit<BenchOptions, "say"> | undefined {
  try {
    const { values, positionals }: { values: { rounds: string; help: boolean }; positionals: string[] } = parseArgs({
      allowPositionals: parts.length > 0,
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
    const unknown = positionals.find((part) => !parts.includes(part));
    if (unknown !== undefined) throw new Error(`no part "${unknown}"`);
    return { rounds, parts: positionals.length === 0 ? parts : parts.filter((part) => positionals.includes(part)) };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}
