// The contender that does nothing but the SQL: one CREATE OR REPLACE TABLE … AS for each, through DuckDB in this process.
import { DuckDBInstance } from "@duckdb/node-api";
import { readFileSync } from "node:fs";

const [warehouse = "", ...files] = process.argv.slice(2);
const instance = await DuckDBInstance.create(warehouse);
const connection = await instance.connect();
await connection.run("SET TimeZone = 'UTC'");
for (const file of files) await connection.run(readFileSync(file, "utf8"));
connection.closeSync();
instance.closeSync();
