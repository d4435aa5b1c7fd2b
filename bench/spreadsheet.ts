// a workbook of 100,000 rows against a table in DuckDB, beside reading it and a join by hand
import { onStop } from "../ops/process.ts";
import { spreadsheet } from "./diff/spreadsheet.ts";
import { runBench } from "./lib/bench.ts";

onStop();
await runBench({
  name: "spreadsheet",
  help: `Compares a workbook of 100,000 rows and five columns with a table in DuckDB, key by key; beside it the reading of
the workbook alone, and a full join of two such tables. Each in a process of its own, which has done it once before.`,
  rounds: 3,
  run: spreadsheet,
});
