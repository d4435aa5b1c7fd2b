import type { StoreKind } from "../store.ts";
import { columnTypeName } from "./type_names.ts";

/** PostgreSQL, as the rest of the project finds it. */
export const postgres: StoreKind = {
  name: "postgres",
  typeName: columnTypeName,
  // Nobody waits for another table's publish.
  exclusive: () => null,
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
