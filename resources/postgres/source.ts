import type { PostgresTableSource } from "../bulk_source.ts";
import type { Environment } from "../store.ts";

/** A table, and the environment variable that names its server. */
export interface SourceTable {
  readonly schema: string;
  readonly table: string;
  /** Holds the URL. `DATABASE_URL` is read from its replica, where `DATABASE_REPLICA_URL` names one. */
  readonly variable: string;
}

/** A table as other stores read it in bulk. Loads no driver before it is opened. */
export function postgresSource(table: SourceTable, env: Environment): PostgresTableSource {
  return {
    format: "postgres",
    columns: async (request) => {
      const { postgresConfig } = await import("./config.ts");
      const { readColumns } = await import("./reader.ts");
      return await readColumns(table, postgresConfig(env, table.variable), request);
    },
    open: async (request) => {
      const { postgresConfig } = await import("./config.ts");
      const { openReader } = await import("./reader.ts");
      return await openReader(table, postgresConfig(env, table.variable), request);
    },
  };
}
