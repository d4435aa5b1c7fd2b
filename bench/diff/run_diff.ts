// Compares bench.rows of DATABASE_URL with that of DUCKDB_PATH. Prints the seconds, the rows that differ and those that were read.
import { duckdb } from "../../resources/duckdb/kind.ts";
import { compareTables } from "../../resources/store_diff.ts";
import { withFrozenPostgres } from "../../resources/stores.ts";
import type { Attempt } from "../../resources/store.ts";

const attempt: Attempt = {
  ...{ runId: "bench", rootRunId: "bench", codeVersion: "bench", startedAt: new Date() },
  ...{ signal: new AbortController().signal, log: () => undefined },
};
const start = performance.now();
const store = await duckdb.open(process.cwd(), process.env);
const table = { schema: "bench", table: "rows" };
const found = await withFrozenPostgres(
  "DATABASE_URL",
  process.env,
  attempt,
  (left) =>
    store.withFrozenTables?.(attempt, (right) =>
      compareTables({
        ...{ left: { snapshot: left, table }, right: { snapshot: right, table } },
        ...{ key: [{ left: "id", right: "id" }], columns: null, limit: 1_000, signal: attempt.signal },
      }),
    ) ?? Promise.reject(new Error("no snapshot")),
);
console.log(
  JSON.stringify({
    seconds: (performance.now() - start) / 1000,
    different: Number(found.onlyLeft + found.onlyRight + found.changed),
    pulled: found.pulledRows,
  }),
);
await store.close();
