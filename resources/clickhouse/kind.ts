import type { StoreKind } from "../store.ts";
import { clickhouseConfig } from "./config.ts";
import { columnTypeName } from "./type_names.ts";

/** ClickHouse, as the rest of the project finds it. */
export const clickhouse: StoreKind = {
  name: "clickhouse",
  typeName: columnTypeName,
  earliest: "1900-01-01",
  // A server runs many statements at once; publishes of the same table wait for each other.
  exclusive: () => null,
  viewFault: ({ refresh, key, isPartitioned, blockingChecks }) => {
    if (isPartitioned) return "ClickHouse refreshes a view whole: leave out partitions, or write query(…)";
    if (refresh === "full") return undefined;
    if (key.length === 0) return "expected key: by its columns the rows of an incremental view are added up";
    if (blockingChecks.length === 0) return undefined;
    return (
      `rows of an incremental view are there as soon as they are inserted, so that nothing can block them: write ` +
      `warn(…) around ${blockingChecks.join(", ")}, or leave out refresh`
    );
  },
  archiveFault: () =>
    "ClickHouse reads a list of files without those that are missing, and does not say so. It moves cold rows to other " +
    "disks itself: storage.clickhouse.ttl: sql`toDateTime(sold_at) + INTERVAL 90 DAY TO VOLUME 'cold'`",
  diffFault: (other) =>
    other === "clickhouse"
      ? undefined
      : "ClickHouse shares no checksum with another store: copy the asset into DuckDB or PostgreSQL, and compare the copy",
  bulkFormats: new Set(["parquet", "postgres"]),
  bulkSource: () => undefined,
  open: async (projectDir, env) => {
    const { ClickHouseStore } = await import("./clickhouse_store.ts");
    return new ClickHouseStore(clickhouseConfig(env), projectDir);
  },
  prove: async (claims, _projectDir, env) => {
    const { proveSql } = await import("./prove.ts");
    return await proveSql(claims, clickhouseConfig(env));
  },
};
