import { createReadStream } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { type ClickHouseSettings, createClient } from "@clickhouse/client";
import { startEngine } from "../../ops/engines/start_engine.ts";
import { clickhouse } from "../../resources/clickhouse/kind.ts";
import type { BenchStore } from "./bench_store.ts";
import { clickhouseLine, copyTextPages } from "./copy_text.ts";
import { CLEANED, COLUMN_LIST, FINGERPRINT, RAW, UNCHANGED } from "./shape.ts";

const COLUMNS = `id Int64, name String, amount Decimal(12, 2), sold_at DateTime64(6, 'UTC'), day Date32,
  is_member Bool, score Float64, note Nullable(String)`;
const DEFINITIONS = `(${COLUMNS}) ENGINE = MergeTree ORDER BY ()`;
/** The quickest that were found on two cores; the runtime has the same (`resources/clickhouse/staging.ts`). */
const TUNED: ClickHouseSettings = {
  max_insert_threads: "2",
  min_insert_block_size_rows: "524288",
  min_insert_block_size_bytes: "134217728",
};

/** ClickHouse: by hand too, a table beside the present one is filled and takes its place in one step. */
export async function openClickHouse(folder: string, parquet: string): Promise<BenchStore> {
  const engine = await startEngine("clickhouse", { dataDir: path.join(folder, "engine") });
  const store = await clickhouse.open(folder, { CLICKHOUSE_URL: engine.url });
  const client = createClient({ url: engine.url });
  const runWith = async (settings: ClickHouseSettings, ...statements: readonly string[]): Promise<void> => {
    for (const query of statements) await client.command({ query, clickhouse_settings: settings });
  };
  const run = (...statements: readonly string[]): Promise<void> => runWith(TUNED, ...statements);
  const create = `CREATE TABLE bench.next ${DEFINITIONS}`;
  const insert = `INSERT INTO bench.next ${CLEANED}`;
  const keep = (where: string): string =>
    `INSERT INTO bench.next SELECT ${COLUMN_LIST} FROM bench.by_hand WHERE ${where}`;
  const exchange = ["EXCHANGE TABLES bench.next AND bench.by_hand", "DROP TABLE bench.next"];
  // As a query of the file's rows, whose parts are written side by side; an insert of the file itself writes one.
  const sendFile = async (table: string, settings = TUNED): Promise<void> => {
    const query = `INSERT INTO bench.${table} SELECT ${COLUMN_LIST} FROM input('${COLUMNS.replaceAll("'", "\\'")}') FORMAT Parquet`;
    const { stream } = await client.exec({ query, values: createReadStream(parquet), clickhouse_settings: settings });
    await stream.toArray();
  };
  const copy = async (settings: ClickHouseSettings): Promise<void> => {
    await run(create);
    await sendFile("next", settings);
    await run(...exchange);
  };

  await run("CREATE DATABASE bench", `CREATE TABLE bench.source ${DEFINITIONS}`);
  await sendFile("source");
  await run(`CREATE TABLE bench.raw ENGINE = MergeTree ORDER BY () AS ${RAW}`);
  return {
    url: engine.url,
    store,
    roundsFactor: 3,
    cases: {
      "query, replace": {
        limit: 1.2,
        byHand: () => run(create, insert, ...exchange),
        untuned: () => runWith({}, create, insert, ...exchange),
      },
      "query, replace, rows as they are": {
        limit: null,
        byHand: () => run(create, `INSERT INTO bench.next ${UNCHANGED}`, ...exchange),
      },
      "query, partitions": {
        limit: 2.2,
        byHand: () =>
          run(
            create,
            keep("NOT (sold_at >= '2017-01-01 00:00:00' AND sold_at < '2018-01-01 00:00:00')"),
            insert,
            ...exchange,
          ),
      },
      "query, merge": {
        limit: 2.2,
        byHand: () => run(create, keep("id NOT IN (SELECT id FROM bench.source)"), insert, ...exchange),
      },
      "query, append": { limit: 2.2, byHand: () => run(insert.replace("next", "by_hand")) },
      copy: { limit: 1.2, byHand: () => copy(TUNED), untuned: () => copy({}) },
      rows: {
        limit: 1.5,
        byHand: async () => {
          await run(create);
          const values = Readable.from(copyTextPages(clickhouseLine), { objectMode: false });
          await client.insert({ table: "bench.next", values, format: "TabSeparated", clickhouse_settings: TUNED });
          await run(...exchange);
        },
      },
    },
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    reset: (table) =>
      run(
        `DROP TABLE IF EXISTS bench.${table} SYNC`,
        `CREATE TABLE bench.${table} ${DEFINITIONS}`,
        `INSERT INTO bench.${table} SELECT * FROM bench.source`,
      ),
    fingerprint: async (table) =>
      await (await client.query({ query: `SELECT ${FINGERPRINT} FROM bench.${table}`, format: "TabSeparated" })).text(),
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await store.close();
      await engine.stop();
    },
  };
}
