import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { quote, tableName } from "../../../resources/quote.ts";
import { describeStore } from "./contract.ts";
import { quickFolder } from "../quick_folder.ts";

const execute = promisify(execFile);

describeStore("DuckDB", async () => {
  const folder = quickFolder("duckdb-store-");
  const path = join(folder, "warehouse.duckdb");
  const store = await duckdb.open(folder, { DUCKDB_PATH: path });
  return {
    kind: duckdb,
    store,
    table: tableName,
    quote,
    query: async (text) => {
      const instance = await DuckDBInstance.create(path);
      try {
        const connection = await instance.connect();
        await connection.run("SET TimeZone = 'UTC'");
        const rows = (await connection.runAndReadAll(text)).getRows();
        connection.closeSync();
        return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
      } finally {
        instance.closeSync();
      }
    },
    queryApart: async (text) => {
      const program = `
        import { DuckDBInstance } from "@duckdb/node-api";
        const connection = await (await DuckDBInstance.create(${JSON.stringify(path)}, { access_mode: "READ_ONLY" })).connect();
        const rows = (await connection.runAndReadAll(${JSON.stringify(text)})).getRows();
        console.log(JSON.stringify(rows.map((row) => row.map(String))));`;
      const { stdout } = await execute(process.execPath, ["--input-type=module", "--eval", program]);
      return JSON.parse(stdout) as string[][];
    },
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
