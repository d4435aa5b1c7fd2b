import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { checkout } from "../../ops/process.ts";
import { Client } from "../../resources/duckdb/client.ts";
import { duckdb } from "../../resources/duckdb/kind.ts";
import { Client as PostgresClient } from "../../resources/postgres/client.ts";
import { postgresConfig } from "../../resources/postgres/config.ts";
import { postgres } from "../../resources/postgres/kind.ts";
import { literal } from "../../resources/quote.ts";
import { compareTables } from "../../resources/store_diff.ts";
import type { Attempt, Store } from "../../resources/store.ts";
import { installReladiff, reladiffBin } from "../lib/contenders_env.ts";
import { type Contender, contest, getSummary, pairedRatio, type Summary } from "../lib/contest.ts";
import { measure } from "../lib/measure.ts";
import { freshFolder } from "../lib/project.ts";
import type { Bar, Result } from "../lib/result.ts";
import { type BenchStore } from "../stores/bench_store.ts";
import { openPostgres } from "../stores/postgres.ts";
import { columns, DUCKDB_ROWS, ROWS } from "../stores/shape.ts";

interface Options {
  readonly rounds: number;
  readonly say: (line: string) => void;
}

/** Done to the rows of DuckDB: four are changed, three more and three fewer. */
const CHANGES = [
  "UPDATE bench.rows SET amount = amount + 0.01 WHERE id IN (17, 500000)",
  "UPDATE bench.rows SET note = 'another' WHERE id = 250001",
  "UPDATE bench.rows SET sold_at = sold_at + INTERVAL 1 MICROSECOND WHERE id = 999999",
  "DELETE FROM bench.rows WHERE id IN (0, 333333, 777777)",
  `INSERT INTO bench.rows SELECT -id - 1, * EXCLUDE (id) FROM bench.rows WHERE id IN (1, 2)`,
  `INSERT INTO bench.rows SELECT id + 1000000, * EXCLUDE (id) FROM bench.rows WHERE id = 3`,
];
const DIFFERENT = 10;
/** Of all rows of both tables. */
const MOST_PULLED = 0.01;

/** Two stores, beside reladiff. */
export async function benchBetween({ rounds, say }: Options): Promise<Omit<Result, "bench">> {
  await installReladiff(say);
  const work = freshFolder("diff", "between");
  await using server = await startPostgres(work, say);
  const warehouse = path.join(work, "warehouse.duckdb");
  const client = await Client.open(warehouse);
  for (const text of ["CREATE SCHEMA bench", `CREATE TABLE bench.rows AS ${DUCKDB_ROWS}`, ...CHANGES, "CHECKPOINT"])
    await client.run(text);
  client.close();
  const env = {
    DATABASE_URL: server.url,
    DUCKDB_PATH: warehouse,
    NODE_COMPILE_CACHE: path.join(work, "compile_cache"),
  };
  let pulled = Number.NaN;
  const command = (name: string, start: readonly [string, ...string[]]): Contender => ({
    name,
    run: async () => {
      const { stdout, ...measured } = await measure(start, { env });
      const found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
        readonly different: number;
        readonly seconds: number;
        readonly pulled?: number;
      };
      if (found.different !== DIFFERENT)
        throw new Error(`${name} found ${found.different} rows instead of ${DIFFERENT}`);
      if (found.pulled !== undefined) pulled = found.pulled;
      return { ...measured, extra: { "diff s": found.seconds } };
    },
  });
  const summaries = await contest(
    [
      command("between: ours", [process.execPath, path.join(checkout, "bench/diff/run_diff.ts")]),
      command("between: reladiff", [reladiffBin("python"), path.join(checkout, "bench/diff/reladiff_diff.py")]),
    ],
    { rounds, warmUp: 1, say },
  );
  const get = getSummary(summaries);
  return {
    contenders: summaries,
    bars: [
      { name: "pulled_share", value: pulled / (2 * ROWS), limit: MOST_PULLED, below: true },
      { name: "ours_to_reladiff", value: pairedRatio(get("between: ours"), get("between: reladiff")), limit: 1 },
    ],
  };
}

/** One store, beside a FULL JOIN. */
export async function benchWithin({ rounds, say }: Options): Promise<Omit<Result, "bench">> {
  const work = freshFolder("diff", "within");
  const contenders: Summary[] = [];
  const bars: Bar[] = [];
  const compare = async (name: string, store: Store, join: (text: string) => Promise<string>): Promise<void> => {
    say(`${name}: two equal tables`);
    const summaries = await contest(
      [
        timed(`${name}: ours`, () => ours(store)),
        timed(`${name}: FULL JOIN`, async () => {
          if ((await join(FULL_JOIN)) !== "0") throw new Error("the tables differ");
        }),
      ],
      { rounds, warmUp: 1, say },
    );
    const get = getSummary(summaries);
    contenders.push(...summaries);
    bars.push({
      name: `${name}_to_full_join`,
      value: pairedRatio(get(`${name}: ours`), get(`${name}: FULL JOIN`)),
      limit: 1,
    });
  };
  {
    const instance = await DuckDBInstance.create(path.join(work, "warehouse.duckdb"));
    const client = new Client(instance, await instance.connect());
    for (const text of ["CREATE SCHEMA bench", `CREATE TABLE bench.rows AS ${DUCKDB_ROWS}`, COPY, "CHECKPOINT"])
      await client.run(text);
    client.close();
    const store = await duckdb.open(work, { DUCKDB_PATH: path.join(work, "warehouse.duckdb") });
    // By the same open file: a second one would read it from the disk first.
    await compare("duckdb", store, (text) => textOf(store, text));
    await store.close();
  }
  {
    await using server = await startPostgres(work, say);
    const env = { DATABASE_URL: server.url };
    const client = await PostgresClient.connect(postgresConfig(env));
    for (const text of [COPY, "ALTER TABLE bench.copy ADD PRIMARY KEY (id)"]) await client.run(text);
    await client.run("VACUUM ANALYZE bench.copy");
    await client.run("CHECKPOINT");
    await client.end();
    const store = await postgres.open(work, env);
    await compare("postgres", store, (text) => textOf(store, text));
    await store.close();
  }
  return { contenders, bars };
}

const COPY = "CREATE TABLE bench.copy AS SELECT * FROM bench.rows";

const FULL_JOIN = `SELECT count(*) FROM bench.rows AS a FULL JOIN bench.copy AS b ON a.id = b.id
  WHERE a.id IS NULL OR b.id IS NULL
    ${columns.map(({ name }) => `OR a.${name} IS DISTINCT FROM b.${name}`).join("\n    ")}`;

const attempt: Attempt = {
  ...{ runId: "bench", rootRunId: "bench", codeVersion: "bench", startedAt: new Date() },
  ...{ signal: new AbortController().signal, log: () => undefined },
};

async function ours(store: Store): Promise<void> {
  const found = await store.withFrozenTables?.(attempt, (snapshot) =>
    compareTables({
      left: { snapshot, table: { schema: "bench", table: "rows" } },
      right: { snapshot, table: { schema: "bench", table: "copy" } },
      ...{ key: [{ left: "id", right: "id" }], columns: null, limit: 100, signal: attempt.signal },
    }),
  );
  if (found?.isEqual !== true || found.left.rows !== BigInt(ROWS)) throw new Error("the tables are not equal");
}

async function textOf(store: Store, text: string): Promise<string> {
  const found = await store.withFrozenTables?.(attempt, (snapshot) => snapshot.text({ text, parameters: [] }));
  return found?.rows[0]?.[0] ?? "";
}

function timed(name: string, act: () => Promise<void>): Contender {
  return {
    name,
    run: async () => {
      const start = performance.now();
      await act();
      return { seconds: (performance.now() - start) / 1000 };
    },
  };
}

/** A million rows in `bench.rows`, with a primary key. */
async function startPostgres(work: string, say: (line: string) => void): Promise<BenchStore> {
  say("starting postgres");
  const parquet = path.join(work, "rows.parquet");
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(`COPY (${DUCKDB_ROWS}) TO ${literal(parquet)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  const server = await openPostgres(path.join(work, "postgres"), parquet);
  const client = await PostgresClient.connect(postgresConfig({ DATABASE_URL: server.url }));
  for (const text of [
    "ALTER TABLE bench.source RENAME TO rows",
    "ALTER TABLE bench.rows ADD PRIMARY KEY (id)",
    "VACUUM ANALYZE bench.rows",
    "CHECKPOINT",
  ])
    await client.run(text);
  await client.end();
  return server;
}
