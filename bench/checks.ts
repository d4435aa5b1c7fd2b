// twelve checks of 1.47 million rows in DuckDB in one go, beside each alone, and Soda Core
import path from "node:path";
import { checkout, onStop } from "../ops/process.ts";
import { writeLines } from "./checks/suite.ts";
import { runBench } from "./lib/bench.ts";
import { installSoda, sodaBin } from "./lib/contenders_env.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure } from "./lib/measure.ts";
import { freshFolder } from "./lib/project.ts";

onStop();
await runBench({
  name: "checks",
  help: `Checks the purchase lines, a table in a DuckDB file, with suites of twelve checks.
"row checks" are those that one pass over the rows answers, on six columns: seconds and processor time are those of the
checks, in a process that has read the table before. "suite" has a unique check and a pattern too, which take most of its
time: beside Soda Core with the same twelve, both as whole commands from start to end; the checks alone beside them.`,
  rounds: 5,
  run: async ({ rounds, say }) => {
    await installSoda(say);
    const folder = freshFolder("checks", "work");
    const rows = await writeLines(folder, path.join(checkout, "data/completejourney/transactions.parquet"));
    say(`${rows} rows written`);
    const env = {
      DUCKDB_PATH: path.join(folder, "warehouse.duckdb"),
      NODE_COMPILE_CACHE: path.join(folder, "compile_cache"),
    };
    const program = path.join(checkout, "bench/checks/run_checks.ts");
    /** Only what the checks take. */
    const inside = (name: string, suite: string, how: string): Contender => ({
      name,
      run: async () => {
        const { stdout, peakMb } = await measure([process.execPath, program, suite, how], { env });
        const { seconds, cpu_s: cpuS } = verdictsOf(name, stdout);
        return { seconds, cpuS, peakMb };
      },
    });
    const command = (name: string, arguments_: readonly [string, ...string[]]): Contender => ({
      name,
      run: async () => {
        const measured = await measure(arguments_, { env });
        return { ...measured, extra: { "checks s": verdictsOf(name, measured.stdout).seconds } };
      },
    });
    const summaries = await contest(
      [
        inside("row checks, together", "rows", "together"),
        inside("row checks, singly", "rows", "singly"),
        inside("suite, together", "all", "together"),
        inside("suite, singly", "all", "singly"),
        command("suite, ours", [process.execPath, program, "all", "cold"]),
        command("suite, Soda Core", [sodaBin("python"), path.join(checkout, "bench/checks/soda_scan.py")]),
      ],
      { rounds, warmUp: 1, say },
    );
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [
        {
          // Of processor time, which other work on the machine changes less.
          name: "row_checks_together_to_singly",
          value: (get("row checks, together").cpuS ?? Number.NaN) / (get("row checks, singly").cpuS ?? Number.NaN),
          limit: 0.6,
        },
        {
          name: "ours_to_soda",
          value: get("suite, ours").medianS / get("suite, Soda Core").medianS,
          limit: 1,
          below: true,
        },
      ],
    };
  },
});

/** Who does not say that all twelve hold has not done the work. */
function verdictsOf(name: string, stdout: string): { readonly seconds: number; readonly cpu_s: number } {
  const line = stdout.trim().split("\n").at(-1) ?? "";
  const found = JSON.parse(line) as { readonly seconds: number; readonly cpu_s: number; readonly passed: number };
  if (found.passed !== 12) throw new Error(`${name}: ${found.passed} of 12 checks passed`);
  return found;
}
