import type { StoreKind } from "../store.ts";
import { postgresSource } from "./source.ts";
import { columnTypeName } from "./type_names.ts";

/** PostgreSQL, as the rest of the project finds it. */
export const postgres: StoreKind = {
  name: "postgres",
  typeName: columnTypeName,
  earliest: "-infinity",
  // Nobody waits for another table's publish.
  exclusive: () => null,
  viewFault: ({ refresh, key, isPartitioned }) => {
    if (refresh === "incremental") return "PostgreSQL refreshes a view whole: leave out refresh";
    if (isPartitioned) return "PostgreSQL refreshes a view whole: leave out partitions, or write query(…)";
    return key.length === 0 ? "expected key: its columns become the unique index of the concurrent refresh" : undefined;
  },
  archiveFault: () =>
    "PostgreSQL reads no Parquet files, so no view of its could show what is in them. Copy the rows into an asset of " +
    'store: "duckdb", and archive that',
  bulkFormats: new Set(["parquet", "postgres"]),
  bulkSource: ({ schema, table }, env) => postgresSource({ schema, table, variable: "DATABASE_URL" }, env),
  open: async (projectDir, env) => {
    const { postgresConfig } = await import("./config.ts");
    const { PostgresStore } = await import("./postgres_store.ts");
    return new PostgresStore(postgresConfig(env), projectDir);
  },
  prove: async (claims, _projectDir, env) => {
    const { postgresConfig } = await import("./config.ts");
    const { proveSql } = await import("./prove.ts");
    return await proveSql(claims, postgresConfig(env));
  },
};
