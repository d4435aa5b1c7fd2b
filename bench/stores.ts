// one million rows into every store, beside its engine's own fastest path; PostgreSQL to DuckDB, beside dlt and sling
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { onStop } from "../ops/process.ts";
import { literal } from "../resources/quote.ts";
import type { WriteStrategy } from "../resources/store.ts";
import { runBench } from "./lib/bench.ts";
import { type Contender, contest, pairedRatio, type Summary } from "./lib/contest.ts";
import type { Measured } from "./lib/measure.ts";
import { freshFolder } from "./lib/project.ts";
import type { Bar } from "./lib/result.ts";
import { type BenchStore, type CaseName, CASES } from "./stores/bench_store.ts";
import { openClickHouse } from "./stores/clickhouse.ts";
import { openDuckDB } from "./stores/duckdb.ts";
import { openHyper } from "./stores/hyper.ts";
import { type Body, writeOurs } from "./stores/ours.ts";
import { benchMovement, MOVEMENT } from "./stores/movement.ts";
import { openPostgres } from "./stores/postgres.ts";
import {
  APPEND,
  BY_HAND,
  CLEANED,
  DUCKDB_ROWS,
  MERGE,
  OURS,
  PARTITIONS,
  REPLACE,
  ROWS,
  target,
  UNCHANGED,
} from "./stores/shape.ts";

const STORES: Readonly<Record<string, (folder: string, parquet: string) => Promise<BenchStore>>> = {
  duckdb: openDuckDB,
  postgres: openPostgres,
  clickhouse: openClickHouse,
  hyper: openHyper,
};

const STRATEGIES: Readonly<Record<CaseName, WriteStrategy>> = {
  "query, replace": REPLACE,
  "query, replace, rows as they are": REPLACE,
  "query, replace under a view": REPLACE,
  "query, partitions": PARTITIONS,
  "query, merge": MERGE,
  "query, append": APPEND,
  copy: REPLACE,
  rows: REPLACE,
};

onStop();
await runBench({
  name: "stores",
  help: `Writes ${ROWS.toLocaleString("en")} rows of eight columns into each store: by a query that takes the latest of each, from a
Parquet file, from rows in TypeScript. Beside it the same table is written by hand, with the engine's own statements and the driver's fastest bulk
path, and just as atomically and durably. On both sides connections are open beforehand, and the clock runs from the first
statement to the commit. Our content hash is told apart. Both sides begin with the same rows in the table.

${MOVEMENT} moves them from a table to the other store, beside dlt with connectorx and sling: whole commands, from the start
of a process to its end.`,
  rounds: 5,
  parts: [...Object.keys(STORES), MOVEMENT],
  run: async ({ rounds, parts, say }) => {
    say("writing the Parquet file");
    const file = path.join(freshFolder("stores", "data"), "rows.parquet");
    await writeParquet(file);
    const contenders: Summary[] = [];
    const bars: Bar[] = [];
    for (const name of parts) {
      const options = { rounds, say };
      const found = name === MOVEMENT ? await benchMovement(file, options) : await benchStore(name, file, options);
      contenders.push(...found.contenders);
      bars.push(...found.bars);
    }
    return { contenders, bars };
  },
});

async function benchStore(
  name: string,
  file: string,
  { rounds, say }: { readonly rounds: number; readonly say: (line: string) => void },
): Promise<{ readonly contenders: readonly Summary[]; readonly bars: readonly Bar[] }> {
  const open = STORES[name];
  if (open === undefined) throw new Error(`no store ${name}`);
  say(`starting ${name}`);
  await using bench = await open(freshFolder("stores", name), file);
  const contenders: Summary[] = [];
  const bars: Bar[] = [];
  for (const title of CASES) {
    const one = bench.cases[title];
    if (one === undefined) continue;
    const label = `${name}: ${title}`;
    const hasView = title.endsWith("view");
    const body = bodyOf(title, file);
    const prepared = async (table: string, act: () => Promise<Measured>): Promise<Measured> => {
      await bench.reset(table, { hasView });
      global.gc?.();
      return await act();
    };
    const ours: Contender = {
      name: label,
      run: () =>
        prepared(OURS, async () => {
          const measured = await writeOurs(bench.store, target(STRATEGIES[title]), body);
          await bench.store.close();
          return measured;
        }),
    };
    const byHand = (name: string, act: () => Promise<void>): Contender => ({
      name: `${label}, ${name}`,
      run: () =>
        prepared(BY_HAND, async () => {
          await bench.connect();
          const start = performance.now();
          await act();
          const seconds = (performance.now() - start) / 1000;
          await bench.disconnect();
          return { seconds };
        }),
    });
    const untuned = one.untuned === undefined ? [] : [byHand("by hand, untuned", one.untuned)];
    const { roundsFactor = 1 } = bench;
    const found = await contest([ours, byHand("by hand", one.byHand), ...untuned], {
      rounds: rounds * roundsFactor,
      warmUp: 1,
      say,
    });
    await requireSame(bench, label);
    contenders.push(...found);
    const [first, second] = found;
    if (first === undefined || second === undefined) throw new Error("two contenders ran");
    if (one.limit !== null) bars.push({ name: label, value: pairedRatio(first, second), limit: one.limit });
  }
  return { contenders, bars };
}

function bodyOf(title: CaseName, file: string): Body {
  switch (title) {
    case "copy":
      return { kind: "copy", file };
    case "rows":
      return { kind: "rows" };
    case "query, replace, rows as they are":
      return { kind: "query", text: UNCHANGED };
    default:
      return { kind: "query", text: CLEANED };
  }
}

/** Who loses or changes a row has not done the work. */
async function requireSame(bench: BenchStore, label: string): Promise<void> {
  const [ours, byHand] = [await bench.fingerprint(OURS), await bench.fingerprint(BY_HAND)];
  if (ours !== byHand) throw new Error(`${label}: not the same rows:\n  ours     ${ours}\n  by hand  ${byHand}`);
}

async function writeParquet(file: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(`COPY (${DUCKDB_ROWS}) TO ${literal(file)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}
