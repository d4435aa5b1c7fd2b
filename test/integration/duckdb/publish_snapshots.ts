/**
 * Writes generation after generation into two tables at once, one of them split by months, and publishes a snapshot of
 * each; says the generations that are published on standard output, for who reads or kills meanwhile. Arguments: folder
 * of the warehouse, first and last generation.
 */
import { join } from "node:path";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { Client } from "../../../resources/duckdb/client.ts";
import { attempt } from "../stores/attempt.ts";

const TABLES = [
  { assetKey: "retail/small", schema: "retail", table: "small", timeColumn: null },
  { assetKey: "retail/monthly", schema: "retail", table: "monthly", timeColumn: "sold_at" },
];

const [folder = "", first = "", last = ""] = process.argv.slice(2);
const path = join(folder, "warehouse.duckdb");
// Old ones go as soon as they may: readers are done in an instant here.
const env = { DUCKDB_PATH: path, DUCKDB_PUBLISHED_KEEP_MINUTES: "0.02" };
const store = await duckdb.open(folder, env);
process.stdout.write("began\n");
for (let generation = Number(first); generation <= Number(last); generation += 1) {
  await write(generation);
  await store.publishSnapshot?.({ tables: TABLES, keepOthers: false, now: new Date() }, attempt());
  await store.close();
  process.stdout.write(`${generation}\n`);
}

/** All rows of both tables are of one generation; one of the two months stays as it is for ten of them. */
async function write(generation: number): Promise<void> {
  const client = await Client.open(path);
  await client.transaction(async () => {
    await client.run("CREATE SCHEMA IF NOT EXISTS retail");
    await client.run(
      `CREATE OR REPLACE TABLE retail.small AS SELECT n AS id, ${generation}::BIGINT AS generation FROM range(1000) AS numbers(n)`,
    );
    await client.run(
      `CREATE OR REPLACE TABLE retail.monthly AS SELECT n AS id, TIMESTAMPTZ '2017-01-01' + to_days((n % 59)::INTEGER) AS sold_at,
        CASE WHEN n % 59 < 31 THEN ${generation} ELSE ${Math.floor(generation / 10)} END::BIGINT AS generation
      FROM range(2000) AS numbers(n)`,
    );
  });
  client.close();
}
