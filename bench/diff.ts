// a million rows in PostgreSQL and DuckDB, beside reladiff; equal tables of one store; a workbook of 100,000 rows
import { onStop } from "../ops/process.ts";
import { benchBetween, benchWithin } from "./diff/databases.ts";
import { spreadsheet } from "./diff/spreadsheet.ts";
import { runBench } from "./lib/bench.ts";
import type { Result } from "./lib/result.ts";

/** A part of the bench by its name. */
const PARTS: Readonly<
  Record<
    string,
    (options: { readonly rounds: number; readonly say: (line: string) => void }) => Promise<Omit<Result, "bench">>
  >
> = { between: benchBetween, within: benchWithin, spreadsheet };

onStop();
await runBench({
  name: "diff",
  help: `"between" compares a table of a million rows of eight columns in PostgreSQL with one in DuckDB; 10 rows differ: four
are changed, three are only left, three only right. Whole commands, from the start of a process to its end, which must find
those ten; reladiff without the column of days, which it does not know in DuckDB.

"within" compares two equal tables of one store, beside a FULL JOIN by the key with IS DISTINCT FROM for each column, written by
hand. The connection is open and both tables were read before.

"spreadsheet" compares a workbook of 100,000 rows and five columns with a table in DuckDB, key by key, beside the reading of the
workbook alone and a full join of two such tables. Each in a process of its own, which has done it once before.`,
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
