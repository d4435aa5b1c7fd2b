import type { StoreKind } from "../store.ts";
import { tableViewFault } from "../view_fault.ts";
import { duckdbConfig } from "./config.ts";
import { columnTypeName } from "./type_names.ts";

/** DuckDB, as the rest of the project finds it. */
export const duckdb: StoreKind = {
  name: "duckdb",
  typeName: columnTypeName,
  earliest: "-infinity",
  // A query holds the warehouse file from its first to its last row, rows for their publish only. A copy of a file, which
  // holds it too, but never for long, waits for its lock; one from another database holds it for its publish.
  exclusive: (body) => (body === "query" ? "duckdb:warehouse" : null),
  viewFault: tableViewFault,
  archiveFault: () => undefined,
  bulkFormats: new Set(["parquet", "postgres"]),
  bulkSource: () => undefined,
  open: async (projectDir, env) => {
    const { DuckDBStore } = await import("./duckdb_store.ts");
    return new DuckDBStore(duckdbConfig(projectDir, env), projectDir);
  },
  prove: async (claims) => {
    const { proveSql } = await import("./prove.ts");
    return await proveSql(claims);
  },
};
