import { expect, test } from "vitest";
import { decimal, sql, timestamp, z } from "../../../definitions/index.ts";
import type { ClickHouseTable } from "../../../definitions/storage.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { engineSql, parseEngine } from "../../../resources/clickhouse/layout.ts";
import type { Disproof, Target, WriteStrategy } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int32(), name: z.string().nullable(), at: timestamp(), paid: decimal(12, 2) };
const at = new Date("2017-01-02T12:00:00Z");
const row = (id: number): object => ({ id, name: `n${id}`, at, paid: "1.50" });
const LAYOUT: ClickHouseTable = {
  orderBy: ["at", "id"],
  primaryKey: ["at"],
  partitionBy: sql`toYYYYMM( at )`,
  ttl: sql`at + INTERVAL 80 YEAR -- long`,
  indexes: [
    { name: "by_name", expression: sql`lower( assumeNotNull(name) )`, type: "bloom_filter(0.01)", granularity: 4 },
    { name: "by_paid", expression: sql`paid`, type: "minmax" },
  ],
  codecs: { at: "DoubleDelta, ZSTD(3)", paid: "ZSTD" },
};

function laidOut(to: Target, layout: ClickHouseTable, strategy: WriteStrategy = to.strategy): Target {
  return { ...to, strategy, storage: { clickhouse: layout } };
}

async function layoutOf({ schema }: Target): Promise<unknown> {
  const where = `WHERE database = '${schema}' AND table = 'x'`;
  return {
    table: (
      await warehouse.sql(
        `SELECT partition_key, sorting_key, primary_key, extract(engine_full, ' TTL (.*) SETTINGS') FROM system.tables WHERE database = '${schema}' AND name = 'x'`,
      )
    )[0],
    indexes: await warehouse.sql(
      `SELECT name, expr, type_full, granularity FROM system.data_skipping_indices ${where} ORDER BY name`,
    ),
    codecs: await warehouse.sql(
      `SELECT name, compression_codec FROM system.columns ${where} AND compression_codec <> '' ORDER BY name`,
    ),
  };
}

const DECLARED = {
  table: ["toYYYYMM(at)", "at, id", "at", "at + toIntervalYear(80)"],
  indexes: [
    ["by_name", "lower(assumeNotNull(name))", "bloom_filter(0.01)", "4"],
    ["by_paid", "paid", "minmax", "1"],
  ],
  codecs: [
    ["at", "CODEC(DoubleDelta, ZSTD(3))"],
    ["paid", "CODEC(ZSTD(1))"],
  ],
};

test("a new table has the order, key, partitions, TTL, indexes and codecs that its asset declares", async () => {
  const to = laidOut(targetOf(SHAPE), LAYOUT);
  await warehouse.publishRows(to, [row(1)]);
  expect(await layoutOf(to)).toEqual(DECLARED);
});

test("a new table is ordered by the asset's key, as far as it is never null", async () => {
  const to = { ...targetOf(SHAPE), key: ["at", "name", "id"] };
  await warehouse.publishRows(to, [row(1)]);
  expect(await layoutOf(to)).toMatchObject({ table: ["", "at, id", "at, id", ""] });
});

test("a replace lays the table out as declared, once, and keeps what people added", async () => {
  const before = targetOf(SHAPE);
  await warehouse.publishRows(before, [row(1)]);
  await warehouse.run(
    `ALTER TABLE ${before.schema}.x ADD INDEX by_hand id TYPE minmax GRANULARITY 2, ADD INDEX by_paid id TYPE minmax GRANULARITY 9`,
    `ALTER TABLE ${before.schema}.x ADD PROJECTION counted (SELECT name, count() GROUP BY name)`,
    `ALTER TABLE ${before.schema}.x COMMENT COLUMN name 'people wrote it', MODIFY COLUMN id CODEC(Delta, LZ4)`,
  );
  const to = laidOut(before, LAYOUT);
  const messages: string[] = [];
  const log = (message: string): void => void messages.push(message);
  await warehouse.publishRows(to, [row(2)], { log });
  const kept = {
    ...DECLARED,
    indexes: [["by_hand", "id", "minmax", "2"], ...DECLARED.indexes],
    codecs: [DECLARED.codecs[0], ["id", "CODEC(Delta(4), LZ4)"], DECLARED.codecs[1]],
  };
  expect(await layoutOf(to)).toEqual(kept);
  expect(await warehouse.sql(`SELECT name FROM system.projections WHERE database = '${to.schema}'`)).toEqual([
    ["counted"],
  ]);
  expect(
    await warehouse.sql(`SELECT comment FROM system.columns WHERE database = '${to.schema}' AND name = 'name'`),
  ).toEqual([["people wrote it"]]);
  expect(messages).toEqual([expect.stringMatching(/laid out anew: .*ORDER BY .*by_paid is another one/)]);

  // What is as declared is told as such, however the server writes it.
  messages.length = 0;
  await warehouse.publishRows(to, [row(3)], { log });
  expect(messages).toEqual([]);
  expect(await layoutOf(to)).toEqual(kept);
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["3"]]);
});

test.each<WriteStrategy>([
  { kind: "append" },
  { kind: "merge", key: ["id"] },
  { kind: "replacePartitions", partitions: { kind: "keys", column: "name", keys: ["n2"] } },
])("$kind keeps the table's layout, and says how it differs from the declared one", async (strategy) => {
  const before = targetOf(SHAPE);
  await warehouse.publishRows(before, [row(1)]);
  const messages: string[] = [];
  await warehouse.publishRows(laidOut(before, LAYOUT, strategy), [row(2)], {
    log: (message) => messages.push(message),
  });
  expect(messages).toEqual([expect.stringMatching(/keeps its layout.*PARTITION BY.*index by_name is not there/)]);
  expect(await layoutOf(before)).toMatchObject({ table: ["", "", "", ""] });
  expect(await warehouse.sql(`SELECT id FROM ${before.schema}.x ORDER BY id`)).toEqual([["1"], ["2"]]);
});

test("a layout and new columns come together", async () => {
  const before = targetOf({ id: z.int32() });
  await warehouse.publishRows(before, [{ id: 1 }]);
  const to = laidOut(targetOf(SHAPE, { kind: "replace" }, before.assetKey), LAYOUT);
  await warehouse.publishRows(to, [row(2)]);
  expect(await layoutOf(to)).toEqual(DECLARED);
});

test("a replace with other columns keeps what people added to the table and to the columns that remain, and says what not", async () => {
  const before = targetOf({ id: z.int32(), at: timestamp(), name: z.string(), gone: z.string(), day: z.string() });
  const old = { id: 1, at, name: "a", gone: "b", day: "c" };
  await warehouse.publishRows(before, [old]);
  const x = `${before.schema}.x`;
  await warehouse.run(
    `ALTER TABLE ${x} MODIFY COLUMN name CODEC(ZSTD(9)), MODIFY COLUMN id CODEC(Delta, LZ4), MODIFY COLUMN gone CODEC(ZSTD(2))`,
    `ALTER TABLE ${x} MODIFY COLUMN name DEFAULT 'no, ) CONSTRAINT none TTL ', MODIFY COLUMN day MATERIALIZED toString(at)`,
    `ALTER TABLE ${x} MODIFY COLUMN name TTL toDateTime(at) + INTERVAL 90 YEAR`,
    `ALTER TABLE ${x} ADD CONSTRAINT \`positive (id)\` CHECK id >= 0, ADD CONSTRAINT filled CHECK gone <> ''`,
  );
  const shape = { id: z.int32(), at: timestamp(), name: z.string(), day: z.string(), extra: z.int().nullable() };
  const to = laidOut(targetOf(shape, { kind: "replace" }, before.assetKey), { codecs: { id: "ZSTD(3)" } });
  const messages: string[] = [];
  const log = (message: string): void => void messages.push(message);
  const row2 = { id: 2, at, name: "a", day: "c", extra: null };
  await warehouse.publishRows(to, [row2], { log });
  const definition = async (): Promise<string | null | undefined> =>
    (await warehouse.sql(`SELECT create_table_query FROM system.tables WHERE database = '${to.schema}'`))[0]?.[0];
  const kept = await definition();
  expect(kept).toContain(
    "(`id` Int32 CODEC(ZSTD(3)), `at` DateTime64(6, 'UTC'), `name` String DEFAULT 'no, ) CONSTRAINT none TTL ' CODEC(ZSTD(9)) TTL toDateTime(at) + toIntervalYear(90), `day` String, `extra` Nullable(Int64), CONSTRAINT `positive (id)` CHECK id >= 0)",
  );
  expect(messages.slice(-2)).toEqual([
    expect.stringMatching(/^Not kept, since it does not go with the new columns: ADD CONSTRAINT filled CHECK gone/),
    expect.stringMatching(/^Not kept, since the rows have values of their own: MODIFY COLUMN `day` MATERIALIZED/),
  ]);
  await expect(warehouse.publishRows(to, [{ ...row2, id: -1 }])).rejects.toThrow(/positive \(id\)/);

  // With the same columns all of it stays without a word.
  messages.length = 0;
  await warehouse.publishRows(to, [row2], { log });
  expect(await definition()).toBe(kept);
  expect(messages).toEqual([]);
});

test("a replace with other columns keeps statistics and settings of columns, all kinds of projections, sampling, TTL and settings, and says what it cannot keep", async () => {
  const before = targetOf({ id: z.int(), at: timestamp(), name: z.string(), paid: z.int() });
  const { schema } = before;
  const x = `${schema}.x`;
  await warehouse.run(
    `CREATE DATABASE ${schema}`,
    `CREATE TABLE ${x} (
      id Int64, at DateTime64(6, 'UTC'), paid Int64 STATISTICS(tdigest),
      name String DEFAULT ' STATISTICS(no) ' CODEC(ZSTD(3)) STATISTICS(uniq) TTL toDateTime(at) + INTERVAL 70 YEAR SETTINGS (max_compress_block_size = 1048576, min_compress_block_size = 4096),
      INDEX by_name name TYPE minmax,
      PROJECTION counted (SELECT name, count() GROUP BY name) WITH SETTINGS (index_granularity = 128),
      PROJECTION pointed INDEX name TYPE basic, PROJECTION lost (SELECT sum(paid))
    ) ENGINE = MergeTree PARTITION BY toYear(at) ORDER BY (at, intHash32(id)) SAMPLE BY intHash32(id) TTL toDateTime(at) + INTERVAL 80 YEAR
    SETTINGS index_granularity = 1024, add_minmax_index_for_numeric_columns = 1`,
  );
  const textOf = async (): Promise<string> =>
    (await warehouse.sql(`SELECT create_table_query FROM system.tables WHERE database = '${schema}'`))[0]?.[0] ?? "";
  const engineOf = (text: string): string => text.slice(text.indexOf(") ENGINE"), text.indexOf(" COMMENT 'A test.'"));
  const engine = engineOf(`${await textOf()} COMMENT 'A test.'`);
  const shape = { id: z.int(), at: timestamp(), name: z.string(), paid: z.string(), extra: z.int().nullable() };
  const to = targetOf(shape, { kind: "replace" }, before.assetKey);
  const messages: string[] = [];
  const log = (message: string): void => void messages.push(message);
  await warehouse.publishRows(to, [{ id: 1, at, name: "a", paid: "b", extra: null }], { log });
  const after = await textOf();
  expect(after).toContain(
    "`name` String DEFAULT ' STATISTICS(no) ' CODEC(ZSTD(3)) STATISTICS(uniq) TTL toDateTime(at) + toIntervalYear(70) SETTINGS (max_compress_block_size = 1048576, min_compress_block_size = 4096), `paid` String, `extra` Nullable(Int64), INDEX by_name name TYPE minmax GRANULARITY 1, PROJECTION counted (SELECT name, count() GROUP BY name) WITH SETTINGS (index_granularity = 128), PROJECTION pointed INDEX name TYPE basic)",
  );
  expect(engineOf(after)).toBe(engine);
  expect(messages).toEqual([
    expect.stringMatching(/^Not kept, since it does not go with the new columns: ADD PROJECTION lost/),
    expect.stringMatching(/^Not kept, since it does not go with the new columns: ADD STATISTICS `paid` TYPE tdigest/),
  ]);
  expect(await warehouse.sql(`SELECT * FROM ${x}`)).toEqual([["1", "2017-01-02 12:00:00.000000", "a", "b", null]]);
});

test.each<[string, ClickHouseTable]>([
  ["a partition by a column that is not there", { partitionBy: sql`toYYYYMM(lost)` }],
  ["a TTL that is no time", { ttl: sql`id + 1` }],
  ["an index of a type that is not there", { indexes: [{ name: "i", expression: sql`id`, type: "magic" }] }],
  ["a codec that is not there", { codecs: { id: "Magic(3)" } }],
  ["an expression that is none", { partitionBy: sql`toYYYYMM(at` }],
])("%s is found before anything runs", async (_name, layout) => {
  const to = laidOut(targetOf(SHAPE), layout);
  const claims = [{ target: to, deps: [], sql: null, checks: [], view: null }];
  const disproofs: Disproof[] = await clickhouse.prove(claims, warehouse.dir, { CLICKHOUSE_URL: warehouse.url });
  expect(disproofs).toMatchObject([{ code: "bad_option", check: null }]);
  expect(disproofs[0]?.message).toMatch(/^storage\.clickhouse: /);
});

test("a layout that the engine takes is proven", async () => {
  const claims = [{ target: laidOut(targetOf(SHAPE), LAYOUT), deps: [], sql: null, checks: [], view: null }];
  expect(await clickhouse.prove(claims, warehouse.dir, { CLICKHOUSE_URL: warehouse.url })).toEqual([]);
});

test("cold rows can go to another disk: publishes keep such a TTL, and see no difference", async () => {
  const ttl = sql`toDateTime(at) + INTERVAL 90 DAY TO DISK 'default'`;
  const to = laidOut(targetOf(SHAPE), { orderBy: ["at"], ttl });
  const said: string[] = [];
  const log = (message: string): void => void said.push(message);
  await warehouse.publishRows(to, [row(1)], { log });
  await warehouse.publishRows(to, [row(2)], { log });
  await warehouse.publishRows({ ...to, strategy: { kind: "append" } }, [row(3)], { log });
  expect(said).toEqual([]);
  expect(await layoutOf(to)).toMatchObject({
    table: ["", "at", "at", "toDateTime(at) + toIntervalDay(90) TO DISK 'default'"],
  });
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x ORDER BY id`)).toEqual([["2"], ["3"]]);
});

test("an engine's clauses are told apart, also where texts and names look like clauses", () => {
  const text =
    "ReplacingMergeTree(at) PARTITION BY (toYYYYMM(at), ' ORDER BY ') PRIMARY KEY `a TTL ` ORDER BY (`a TTL `, id) TTL at + toIntervalYear(1) SETTINGS index_granularity = 8192";
  expect(parseEngine(text)).toEqual({
    engine: "ReplacingMergeTree(at)",
    partitionBy: "(toYYYYMM(at), ' ORDER BY ')",
    primaryKey: "`a TTL `",
    orderBy: "(`a TTL `, id)",
    ttl: "at + toIntervalYear(1)",
    settings: "index_granularity = 8192",
  });
  expect(parseEngine(engineSql(parseEngine(text)))).toEqual(parseEngine(text));
});
