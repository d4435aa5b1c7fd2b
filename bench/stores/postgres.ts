import { createReadStream, rmSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { startEngine } from "../../ops/engines/start_engine.ts";
import { Client } from "../../resources/postgres/client.ts";
import { postgresConfig } from "../../resources/postgres/config.ts";
import { postgres } from "../../resources/postgres/kind.ts";
import { literal } from "../../resources/quote.ts";
import type { BenchStore } from "./bench_store.ts";
import { copyTextPages } from "./copy_text.ts";
import { CLEANED, COLUMN_LIST, FINGERPRINT, NOT_NULL, RAW, UNCHANGED } from "./shape.ts";

const DEFINITIONS = `id bigint NOT NULL, name text NOT NULL, amount numeric(12, 2) NOT NULL,
  sold_at timestamptz NOT NULL, day date NOT NULL, is_member boolean NOT NULL, score double precision NOT NULL, note text`;

/** PostgreSQL, whose commits are on the disk when they return. */
export async function openPostgres(folder: string, parquet: string): Promise<BenchStore> {
  const engine = await startEngine("postgres", { dataDir: path.join(folder, "engine") });
  const env = { DATABASE_URL: engine.url };
  const store = await postgres.open(folder, env);
  const client = await Client.connect(postgresConfig(env));
  const run = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await client.run(statement);
  };
  const csv = path.join(folder, "rows.csv");
  const copyCsv = async (table: string): Promise<void> => {
    await writeCsv(parquet, csv);
    await client.copyIn(`COPY bench.${table} (${COLUMN_LIST}) FROM STDIN (FORMAT csv)`, createReadStream(csv));
    rmSync(csv);
  };
  const notNull = `ALTER TABLE bench.next ${NOT_NULL.map((name) => `ALTER COLUMN ${name} SET NOT NULL`).join(", ")}`;
  const swap = ["DROP TABLE IF EXISTS bench.by_hand", "ALTER TABLE bench.next RENAME TO by_hand", "COMMIT"];
  const insert = `INSERT INTO bench.by_hand ${CLEANED}`;
  const replace = (query: string): Promise<void> =>
    run("BEGIN", `CREATE TABLE bench.next AS ${query}`, notNull, ...swap);
  const covered = "sold_at >= '2017-01-01 00:00:00+00' AND sold_at < '2018-01-01 00:00:00+00'";

  await run("SET TimeZone = 'UTC'", "CREATE SCHEMA bench", `CREATE TABLE bench.source (${DEFINITIONS})`);
  await copyCsv("source");
  await run("VACUUM ANALYZE bench.source", `CREATE TABLE bench.raw AS ${RAW}`, "VACUUM ANALYZE bench.raw");
  return {
    url: engine.url,
    store,
    cases: {
      "query, replace": { limit: 1.2, byHand: () => replace(CLEANED) },
      "query, replace, rows as they are": { limit: null, byHand: () => replace(UNCHANGED) },
      "query, replace under a view": {
        limit: 2.2,
        // TRUNCATE would keep readers waiting until the commit.
        byHand: () => run("BEGIN", "DELETE FROM bench.by_hand", insert, "COMMIT"),
      },
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
        byHand: async () => {
          await run("BEGIN", `CREATE TABLE bench.next (${DEFINITIONS})`);
          await copyCsv("next");
          await run(...swap);
        },
      },
      rows: {
        limit: 1.5,
        byHand: async () => {
          await run("BEGIN", `CREATE TABLE bench.next (${DEFINITIONS})`);
          await client.copyIn(`COPY bench.next (${COLUMN_LIST}) FROM STDIN`, copyTextPages());
          await run(...swap);
        },
      },
    },
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    reset: async (table, { hasView }) => {
      await run(
        `DROP TABLE IF EXISTS bench.${table} CASCADE`,
        `CREATE TABLE bench.${table} (${DEFINITIONS})`,
        `INSERT INTO bench.${table} SELECT * FROM bench.source`,
        `VACUUM ANALYZE bench.${table}`,
      );
      if (hasView) await run(`CREATE VIEW bench.${table}_view AS SELECT id, amount FROM bench.${table}`);
      await run("CHECKPOINT");
    },
    fingerprint: async (table) =>
      String(
        (await client.text(`SELECT ${FINGERPRINT.replaceAll("sum(score)", "round(sum(score))")} FROM bench.${table}`))
          .rows[0],
      ),
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await store.close();
      await engine.stop();
    },
  };
}

/** PostgreSQL reads no Parquet: by hand one makes a CSV file of it, with what is there to do so. */
async function writeCsv(parquet: string, csv: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(`COPY (FROM read_parquet(${literal(parquet)})) TO ${literal(csv)} (HEADER false)`);
  connection.closeSync();
  instance.closeSync();
}
