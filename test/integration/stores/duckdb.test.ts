import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { quote, tableName } from "../../../resources/quote.ts";
import { describeStore } from "./contract.ts";

describeStore("DuckDB", async () => {
  const folder = mkdtempSync(join(tmpdir(), "duckdb-store-"));
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
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
