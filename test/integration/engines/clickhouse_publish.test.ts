import { createClient } from "@clickhouse/client";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { useClickHouse } from "./clickhouse.ts";

const clickhouse = useClickHouse();

describe("what publishing needs", () => {
  test("readers see the old table or the new one while two are exchanged", async () => {
    const fill = async (table: string, value: number): Promise<void> => {
      await clickhouse.run(`CREATE OR REPLACE TABLE ${table} (n UInt32, v UInt32) ENGINE = MergeTree ORDER BY n`);
      await clickhouse.run(`INSERT INTO ${table} SELECT number, ${value} FROM numbers(1000)`);
    };
    await fill("t", 0);
    let isPublishing = true;
    const seen = new Set<string>();
    const read = async (): Promise<void> => {
      while (isPublishing) {
        const [row] = await clickhouse.rows<{ lo: number; hi: number; n: number }>("SELECT min(v) AS lo, max(v) AS hi, count() AS n FROM t"); // prettier-ignore
        expect([row?.n, row?.lo]).toEqual([1000, row?.hi]);
        seen.add(String(row?.lo));
      }
    };
    const readers = [read(), read()];
    for (let version = 1; version <= 15; version += 1) {
      await fill("staging", version);
      await clickhouse.run("EXCHANGE TABLES t AND staging");
    }
    isPublishing = false;
    await Promise.all(readers);
    expect(seen.size).toBeGreaterThan(1);
  });

  test("one partition is replaced by that of another table", async () => {
    for (const table of ["t", "staging"]) {
      await clickhouse.run(`CREATE TABLE ${table} (day Date, n UInt32) ENGINE = MergeTree PARTITION BY day ORDER BY n`);
    }
    await clickhouse.run("INSERT INTO t VALUES ('2017-01-01', 1), ('2017-01-02', 2)");
    await clickhouse.run("INSERT INTO staging VALUES ('2017-01-02', 20), ('2017-01-02', 21)");
    await clickhouse.run("ALTER TABLE t REPLACE PARTITION '2017-01-02' FROM staging");
    expect(await clickhouse.rows("SELECT n FROM t ORDER BY n")).toEqual([{ n: 1 }, { n: 20 }, { n: 21 }]);
  });

  test("an incremental view adds what is inserted, and a refreshable one follows when it is told", async () => {
    await clickhouse.run("CREATE TABLE t (k UInt8, v UInt32) ENGINE = MergeTree ORDER BY k");
    await clickhouse.run("CREATE TABLE sums (k UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k");
    await clickhouse.run("CREATE MATERIALIZED VIEW adding TO sums AS SELECT k, sum(v) AS v FROM t GROUP BY k");
    await clickhouse.run("CREATE MATERIALIZED VIEW fresh REFRESH EVERY 1 YEAR ENGINE = MergeTree ORDER BY k AS SELECT k, sum(v) AS v FROM t GROUP BY k"); // prettier-ignore
    await clickhouse.run("INSERT INTO t VALUES (1, 10), (1, 5), (2, 7)");
    expect(await clickhouse.rows("SELECT k, sum(v) AS v FROM sums GROUP BY k ORDER BY k")).toEqual([
      { k: 1, v: 15 },
      { k: 2, v: 7 },
    ]);
    await clickhouse.run("SYSTEM REFRESH VIEW fresh");
    await clickhouse.run("SYSTEM WAIT VIEW fresh");
    expect(await clickhouse.rows("SELECT k, v FROM fresh ORDER BY k")).toEqual([
      { k: 1, v: 15 },
      { k: 2, v: 7 },
    ]);
  });

  test("tables, views, indexes, codecs and rows are the same after a restart", async () => {
    const dataDir = clickhouse.scratch.folder();
    const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
    const ask = async (url: string, query: string): Promise<unknown> => {
      await using other = createClient({ url });
      return await (await other.query({ query, format: "JSONEachRow" })).json();
    };
    let before = "";
    for (const isFirst of [true, false]) {
      await using one = await startEngine("clickhouse", { dataDir });
      if (isFirst) {
        await using other = createClient({ url: one.url });
        for (const query of [
          "CREATE DATABASE retail",
          "CREATE TABLE retail.t (k UInt8, v UInt32 CODEC(ZSTD), day Date DEFAULT '2100-01-01', INDEX i v TYPE minmax) ENGINE = MergeTree PARTITION BY k ORDER BY k TTL day + INTERVAL 1 DAY", // prettier-ignore
          "CREATE TABLE retail.sums (k UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k",
          "CREATE MATERIALIZED VIEW retail.adding TO retail.sums AS SELECT k, sum(v) AS v FROM retail.t GROUP BY k",
          "INSERT INTO retail.t (k, v) SELECT number % 3, number FROM numbers(1000)",
        ]) {
          await other.command({ query });
        }
      }
      const now = [
        await ask(one.url, "SELECT k, sum(v) AS v FROM retail.sums GROUP BY k ORDER BY k"),
        await ask(one.url, "SELECT * FROM retail.t ORDER BY ALL"),
        await ask(one.url, "SELECT create_table_query FROM system.tables WHERE database = 'retail' ORDER BY name"),
      ];
      if (isFirst) before = digest(now);
      else expect(digest(now)).toBe(before);
    }
  });
});
