import path from "node:path";
import { checkout, pythonBin } from "../../ops/process.ts";
import { type Contender, contest, getSummary } from "../lib/contest.ts";
import { measure } from "../lib/measure.ts";
import { freshFolder } from "../lib/project.ts";
import type { Result } from "../lib/result.ts";

const ROWS = 100_000;

/** Compares a workbook of 100,000 rows with a table in DuckDB, beside the bare reading of it and one join by hand. */
export async function spreadsheet({
  rounds,
  say,
}: {
  readonly rounds: number;
  readonly say: (line: string) => void;
}): Promise<Omit<Result, "bench">> {
  const folder = freshFolder("diff", "spreadsheet");
  await measure([pythonBin("python"), path.join(checkout, "bench/diff/write_workbook.py"), folder]);
  const program = path.join(checkout, "bench/diff/run_spreadsheet.ts");
  const env = { NODE_COMPILE_CACHE: path.join(folder, "compile_cache") };
  await measure([process.execPath, program, folder, "prepare"], { env });
  say(`${ROWS} rows written`);
  /** Only what is done, not the start of its process. */
  const inside = (name: string, how: string): Contender => ({
    name,
    run: async () => {
      const { stdout, peakMb } = await measure([process.execPath, program, folder, how], { env });
      const found = JSON.parse(stdout.trim()) as {
        readonly seconds: number;
        readonly cpu_s: number;
        readonly rows: number;
      };
      if (found.rows !== ROWS) throw new Error(`${name}: ${found.rows} rows`);
      return { seconds: found.seconds, cpuS: found.cpu_s, peakMb };
    },
  });
  const summaries = await contest(
    [
      inside("workbook, unzip and parse", "parse"),
      inside("workbook, read", "read"),
      inside("join by hand", "join"),
      inside("workbook, validate", "validate"),
    ],
    { rounds, warmUp: 0, say },
  );
  const get = getSummary(summaries);
  const cpu = (name: string): number => get(name).cpuS ?? Number.NaN;
  return {
    contenders: summaries,
    bars: [
      {
        // Of processor time, which other work on the machine changes less.
        name: "validate_to_read_and_join",
        value: cpu("workbook, validate") / (cpu("workbook, read") + cpu("join by hand")),
        limit: 1.5,
      },
    ],
  };
}
