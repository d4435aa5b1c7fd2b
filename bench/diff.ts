// a million rows in PostgreSQL and DuckDB, 10 of which differ, beside reladiff; equal tables of one store, beside a FULL JOIN
import { onStop } from "../ops/process.ts";
import { benchBetween, benchWithin } from "./diff/databases.ts";
import { runBench } from "./lib/bench.ts";
import type { Result } from "./lib/result.ts";

/** A part of the bench by its name. */
const PARTS: Readonly<
  Record<
    string,
    (options: { readonly rounds: number; readonly say: (line: string) => void }) => Promise<Omit<Result, "bench">>
  >
> = { between: benchBetween, within: benchWithin };

onStop();
await runBench({
  name: "diff",
  help: `"between" compares a table of a million rows of eight columns in PostgreSQL with one in DuckDB; 10 rows differ: four
are changed, three are only left, three only right. Whole commands, from the start of a process to its end, which must find
those ten; reladiff without the column of days, which it does not know in DuckDB.

"within" compares two equal tables of one store, beside a FULL JOIN by the key with IS DISTINCT FROM for each column, written by
hand. The connection is open and both tables were read before.`,
  rounds: 5,
  parts: Object.keys(PARTS),
  run: async ({ rounds, parts, say }) => {
    const results = [];
    for (const part of parts) {
      const bench = PARTS[part];
      if (bench !== undefined) results.push(await bench({ rounds, say }));
    }
    return {
      contenders: results.flatMap(({ contenders }) => contenders),
      bars: results.flatMap(({ bars }) => bars),
    };
  },
});
