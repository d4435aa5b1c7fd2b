import type { StoreKind } from "../store.ts";
import { tableViewFault } from "../view_fault.ts";
import { hyperConfig } from "./config.ts";
import { columnTypeName } from "./type_names.ts";

/** Hyper, as the rest of the project finds it. */
export const hyper: StoreKind = {
  name: "hyper",
  typeName: columnTypeName,
  earliest: "-infinity",
  // Any number of sessions stage side by side; publishes of one table wait for each other.
  exclusive: () => null,
  viewFault: tableViewFault,
  archiveFault: () => 'Hyper has no views. Copy the rows into an asset of store: "duckdb", and archive that',
  diffFault: (other) =>
    other === "hyper"
      ? undefined
      : "Hyper shares no checksum with another store: copy the asset into DuckDB or PostgreSQL, and compare the copy",
  bulkFormats: new Set(["parquet", "postgres"]),
  bulkSource: () => undefined,
  open: async (projectDir, env) => {
    const { HyperStore } = await import("./hyper_store.ts");
    return new HyperStore(hyperConfig(env), projectDir);
  },
  prove: async (claims, projectDir, env) => {
    const { proveSql } = await import("./prove.ts");
    return await proveSql(claims, hyperConfig(env), projectDir);
  },
};
