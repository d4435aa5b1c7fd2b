import path from "node:path";
import { startEngine } from "../../ops/engines/start_engine.ts";
import { Client } from "../../resources/hyper/client.ts";
import { hyperConfig } from "../../resources/hyper/config.ts";
import { hyper } from "../../resources/hyper/kind.ts";
import { literal } from "../../resources/quote.ts";
import type { BenchStore } from "./bench_store.ts";
import { copyTextPages } from "./copy_text.ts";
import { CLEANED, COLUMN_LIST, FINGERPRINT, RAW, UNCHANGED } from "./shape.ts";

const DEFINITIONS = `id bigint NOT NULL, name text NOT NULL, amount numeric(12, 2) NOT NULL,
  sold_at timestamptz NOT NULL, day date NOT NULL, is_member boolean NOT NULL, score double precision NOT NULL, note text`;

/** Hyper. A rename takes no transaction there: by hand too, rows are replaced inside the table. */
export async function openHyper(folder: string, parquet: string): Promise<BenchStore> {
  const engine = await startEngine("hyper", { dataDir: path.join(folder, "engine") });
  const env = { HYPER_URL: engine.url };
  const store = await hyper.open(folder, env);
  const client = await Client.open(hyperConfig(env));
  const run = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await client.run(statement);
  };
  const insert = `INSERT INTO bench.by_hand ${CLEANED}`;
  const replace = (query: string): Promise<void> =>
    run("BEGIN", "TRUNCATE TABLE bench.by_hand", `INSERT INTO bench.by_hand ${query}`, "COMMIT");
  const external = `external(${literal(parquet)}, FORMAT => 'parquet')`;
  const covered = "sold_at >= '2017-01-01 00:00:00+00' AND sold_at < '2018-01-01 00:00:00+00'";
  const copies = 2.2;

  await run(
    "CREATE SCHEMA bench",
    `CREATE TABLE bench.source (${DEFINITIONS})`,
    `INSERT INTO bench.source SELECT ${COLUMN_LIST} FROM ${external}`,
    `CREATE TABLE bench.raw AS (${RAW})`,
  );
  return {
    url: engine.url,
    store,
    cases: {
      "query, replace": { limit: copies, byHand: () => replace(CLEANED) },
      "query, replace, rows as they are": { limit: null, byHand: () => replace(UNCHANGED) },
      "query, partitions": {
        limit: copies,
        byHand: () => run("BEGIN", `DELETE FROM bench.by_hand WHERE ${covered}`, insert, "COMMIT"),
      },
      "query, merge": {
        limit: copies,
        byHand: () =>
          run("BEGIN", "DELETE FROM bench.by_hand WHERE id IN (SELECT id FROM bench.source)", insert, "COMMIT"),
      },
      "query, append": { limit: copies, byHand: () => run(insert) },
      copy: {
        limit: 1.2,
        byHand: () =>
          run(
            `CREATE TEMPORARY TABLE next (${DEFINITIONS})`,
            `INSERT INTO next SELECT ${COLUMN_LIST} FROM ${external}`,
            "BEGIN",
            "TRUNCATE TABLE bench.by_hand",
            `INSERT INTO bench.by_hand SELECT ${COLUMN_LIST} FROM next`,
            "COMMIT",
            "DROP TABLE next",
          ),
      },
      rows: {
        limit: 1.5,
        byHand: async () => {
          await run("BEGIN", "TRUNCATE TABLE bench.by_hand");
          const copy = await client.copyIn(`COPY bench.by_hand (${COLUMN_LIST}) FROM STDIN WITH (FORMAT text)`);
          for (const page of copyTextPages()) await copy.write(page.toString());
          await client.endCopy(copy);
          await run("COMMIT");
        },
      },
    },
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    reset: (table) =>
      run(
        `DROP TABLE IF EXISTS bench.${table}`,
        `CREATE TABLE bench.${table} (${DEFINITIONS})`,
        `INSERT INTO bench.${table} SELECT ${COLUMN_LIST} FROM bench.source`,
      ),
    fingerprint: async (table) => String((await client.text(`SELECT ${FINGERPRINT} FROM bench.${table}`)).rows[0]),
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await store.close();
      await engine.stop();
    },
  };
}
