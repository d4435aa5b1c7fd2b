import {
  BIGINT,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  TIMESTAMPTZ,
  VARCHAR,
} from "@duckdb/node-api";
import path from "node:path";
import { duckdb } from "../../resources/duckdb/kind.ts";
import { literal } from "../../resources/quote.ts";
import type { BenchStore } from "./bench_store.ts";
import { CLEANED, COLUMN_LIST, FINGERPRINT, NOT_NULL, pages, RAW, type Row, UNCHANGED } from "./shape.ts";

/** DuckDB's vector size. */
const CHUNK_ROWS = 2048;
const MS_PER_DAY = 86_400_000;
const DEFINITIONS = `id BIGINT NOT NULL, name VARCHAR NOT NULL, amount DECIMAL(12, 2) NOT NULL,
  sold_at TIMESTAMPTZ NOT NULL, day DATE NOT NULL, is_member BOOLEAN NOT NULL, score DOUBLE NOT NULL, note VARCHAR`;

/** DuckDB: one file, which one side has open at a time. */
export async function openDuckDB(folder: string, parquet: string): Promise<BenchStore> {
  const file = path.join(folder, "warehouse.duckdb");
  const store = await duckdb.open(folder, { DUCKDB_PATH: file });
  let instance: DuckDBInstance | undefined;
  let connection: DuckDBConnection | undefined;
  const connect = async (): Promise<void> => {
    instance = await DuckDBInstance.create(file);
    connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
  };
  const disconnect = (): Promise<void> => {
    connection?.closeSync();
    instance?.closeSync();
    [connection, instance] = [undefined, undefined];
    return Promise.resolve();
  };
  const open = (): DuckDBConnection => {
    if (connection === undefined) throw new TypeError("not connected");
    return connection;
  };
  const run = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await open().run(statement);
  };
  const alone = async <T>(act: () => Promise<T>): Promise<T> => {
    await connect();
    try {
      return await act();
    } finally {
      await disconnect();
    }
  };
  const notNull = NOT_NULL.map((name) => `ALTER TABLE bench.next ALTER COLUMN ${name} SET NOT NULL`);
  const swap = ["DROP TABLE IF EXISTS bench.by_hand", "ALTER TABLE bench.next RENAME TO by_hand", "COMMIT"];
  const insert = `INSERT INTO bench.by_hand ${CLEANED}`;
  const replace = (query: string): Promise<void> =>
    run("BEGIN", `CREATE TABLE bench.next AS ${query}`, ...notNull, ...swap);
  const covered = "sold_at >= '2017-01-01 00:00:00+00' AND sold_at < '2018-01-01 00:00:00+00'";

  await alone(() =>
    run(
      "CREATE SCHEMA bench",
      `CREATE TABLE bench.source (${DEFINITIONS})`,
      `INSERT INTO bench.source SELECT * FROM read_parquet(${literal(parquet)})`,
      `CREATE TABLE bench.raw AS ${RAW}`,
    ),
  );
  return {
    url: file,
    store,
    connect,
    disconnect,
    cases: {
      "query, replace": { limit: 1.2, byHand: () => replace(CLEANED) },
      "query, replace, rows as they are": { limit: null, byHand: () => replace(UNCHANGED) },
      "query, partitions": {
        limit: 2.2,
        byHand: () => run("BEGIN", `DELETE FROM bench.by_hand WHERE ${covered}`, insert, "COMMIT"),
      },
      "query, merge": {
        limit: 2.2,
        byHand: () =>
          run("BEGIN", "DELETE FROM bench.by_hand USING bench.source WHERE by_hand.id = source.id", insert, "COMMIT"),
      },
      "query, append": { limit: 2.2, byHand: () => run(insert) },
      copy: {
        limit: 1.2,
        byHand: () =>
          run(
            "BEGIN",
            `CREATE TABLE bench.next (${DEFINITIONS})`,
            `INSERT INTO bench.next SELECT ${COLUMN_LIST} FROM read_parquet(${literal(parquet)})`,
            ...swap,
          ),
      },
      rows: {
        limit: 1.5,
        byHand: async () => {
          await run("BEGIN", `CREATE TABLE bench.next (${DEFINITIONS})`);
          await appendChunks(open());
          await run(...swap);
        },
      },
    },
    reset: (table) =>
      alone(() =>
        run(
          `CREATE OR REPLACE TABLE bench.${table} (${DEFINITIONS})`,
          `INSERT INTO bench.${table} SELECT * FROM bench.source`,
          "CHECKPOINT",
        ),
      ),
    fingerprint: (table) =>
      alone(async () => String((await open().runAndReadAll(`SELECT ${FINGERPRINT} FROM bench.${table}`)).getRows()[0])),
    [Symbol.asyncDispose]: async () => {
      await disconnect();
      await store.close();
    },
  };
}

const WRITERS: readonly (readonly [DuckDBType, (row: Row) => DuckDBValue])[] = [
  [BIGINT, (row) => BigInt(row.id)],
  [VARCHAR, (row) => row.name],
  [DECIMAL(12, 2), (row) => new DuckDBDecimalValue(BigInt(row.amount.replace(".", "")), 12, 2)],
  [TIMESTAMPTZ, (row) => new DuckDBTimestampTZValue(BigInt(row.sold_at.getTime()) * 1000n)],
  [DATE, (row) => new DuckDBDateValue(Date.parse(`${row.day}T00:00:00Z`) / MS_PER_DAY)],
  [BOOLEAN, (row) => row.is_member],
  [DOUBLE, (row) => row.score],
  [VARCHAR, (row) => row.note],
];

/** The driver's fastest way in: columns of a chunk. */
async function appendChunks(connection: DuckDBConnection): Promise<void> {
  const appender = await connection.createAppender("next", "bench");
  const chunk = DuckDBDataChunk.create(WRITERS.map(([type]) => type));
  for (const page of pages()) {
    for (let start = 0; start < page.length; start += CHUNK_ROWS) {
      const part = page.slice(start, start + CHUNK_ROWS);
      chunk.reset();
      chunk.rowCount = part.length;
      for (const [index, [, value]] of WRITERS.entries()) chunk.setColumnValues(index, part.map(value));
      appender.appendDataChunk(chunk);
    }
  }
  appender.closeSync();
}
