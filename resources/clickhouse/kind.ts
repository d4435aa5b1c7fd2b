import type { StoreKind } from "../store.ts";
import { clickhouseConfig } from "./config.ts";
import { columnTypeName } from "./type_names.ts";

/** ClickHouse, as the rest of the project finds it. */
export const clickhouse: StoreKind = {
  name: "clickhouse",
  typeName: columnTypeName,
  // A server runs many statements at once; publishes of the same table wait for each other.
  exclusive: () => null,
  open: async (projectDir, env) => {
    const { ClickHouseStore } = await import("./clickhouse_store.ts");
    return new ClickHouseStore(clickhouseConfig(env), projectDir);
  },
  prove: async (claims, _projectDir, env) => {
    const { proveSql } = await import("./prove.ts");
    return await proveSql(claims, clickhouseConfig(env));
  },
};
