import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import { prepareEntry } from "../../../resources/clickhouse/ledger.ts";
import { Client } from "../../../resources/clickhouse/client.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { assetHash } from "../../../resources/clickhouse/quote.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { attempt, entryOf, publish, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int32(), name: z.string().nullable() };
const all = async (schema: string): Promise<unknown> => await warehouse.sql(`SELECT * FROM ${schema}.x ORDER BY ALL`);

test("publishes of one table by several processes at once lose no rows", async () => {
  const days = ["01", "02", "03", "04", "05", "06"];
  const shape = { id: z.int32(), at: timestamp() };
  const base = targetOf(shape);
  await Promise.all(
    days.map(async (day, id) => {
      const [start, end] = [new Date(`2017-01-${day}T00:00:00Z`), new Date(`2017-01-${day}T23:59:59Z`)];
      const to = targetOf(
        shape,
        { kind: "replacePartitions", partitions: { kind: "window", column: "at", start, end } },
        base.assetKey,
      );
      const store = warehouse.another();
      const given = attempt();
      await publish(await warehouse.stageRows(to, [{ id, at: start }], given, store), to, given);
      await store.close();
    }),
  );
  expect(await warehouse.sql(`SELECT id FROM ${base.schema}.x ORDER BY id`)).toEqual(days.map((_, id) => [String(id)]));
  expect(await warehouse.leftovers()).toEqual([]);
});

test("an append of a root run is published once, also by an attempt that did not look", async () => {
  const to = targetOf(SHAPE, { kind: "append" });
  const given = attempt();
  await warehouse.publishRows(to, [{ id: 1, name: "a" }], given);
  await warehouse.publishRows(to, [{ id: 1, name: "a" }], attempt({ rootRunId: given.rootRunId }));
  expect(await all(to.schema)).toEqual([["1", "a"]]);
});

test("a line that was prepared counts from the moment at which its table is in place, not before", async () => {
  const to = targetOf(SHAPE);
  const given = attempt();
  const facts = await warehouse.publishRows(targetOf(SHAPE), [{ id: 1, name: "a" }]);
  await warehouse.run(
    `CREATE DATABASE ${to.schema}`,
    `CREATE TABLE ${to.schema}.x (id Int32, name Nullable(String)) ENGINE = MergeTree ORDER BY id`,
  );
  const client = Client.create(clickhouseConfig({ CLICKHOUSE_URL: warehouse.url }));
  const entry = { ...entryOf(to, given, facts), cursor: "here" };
  const uuid = async (): Promise<string> =>
    (await warehouse.sql(`SELECT uuid FROM system.tables WHERE database = '${to.schema}'`))[0]?.[0] ?? "";

  // Killed before the exchange: the table that the line is about is in no place.
  await prepareEntry(client, entry, "00000000-0000-0000-0000-000000000001");
  expect(await warehouse.store.findPublished(to, given)).toBeUndefined();
  expect(await warehouse.store.lastCursor(to, given)).toBeNull();

  // Killed between the exchange and the ledger.
  await prepareEntry(client, entry, await uuid());
  await client.close();
  expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId, cursor: "here" });
  expect(await warehouse.store.lastCursor(to, given)).toBe("here");

  // The next publish settles it, so that it counts when its table is gone, too.
  await warehouse.publishRows(to, [{ id: 2, name: "b" }]);
  expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId });
  expect(await warehouse.store.lastCursor(to, given)).toBeNull();
});

test("a line that a late statement of a killed process writes once more counts once, and as the first one", async () => {
  const to = targetOf(SHAPE);
  const attempts = [attempt(), attempt()];
  for (const [id, given] of attempts.entries()) {
    const staged = await warehouse.stageRows(to, [{ id, name: "a" }], given);
    await staged.publish({ ...entryOf(to, given, await staged.facts()), cursor: String(id) });
  }
  await warehouse.run(
    `INSERT INTO _dagster_typescript.ledger SELECT * REPLACE (now64(6) + 10 AS published_at)
      FROM _dagster_typescript.ledger WHERE asset_key = '${to.assetKey}' AND cursor = '0'`,
  );
  const recent = await warehouse.store.recentPublishes(to, attempt(), { limit: 10, ofPartitions: null });
  expect(recent.map(({ runId }) => runId)).toEqual(attempts.map(({ runId }) => runId).toReversed());
  expect(await warehouse.store.lastCursor(to, attempt())).toBe("1");
});

test("a publish waits for the owner of the lock, and takes it from one that is dead", async () => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1, name: "a" }]);
  const lock = `_dagster_typescript.\`_lock~${assetHash(to.assetKey)}\``;
  const hold = (process: string): Promise<void> =>
    warehouse.run(
      `CREATE TABLE ${lock} (a UInt8) ENGINE = Null COMMENT '${JSON.stringify({ runId: "held", process })}'`,
    );

  await hold("aaaaaaaa.bbbbbbbb.cccccccc.1.2");
  const store = warehouse.another({ CLICKHOUSE_LOCK_TIMEOUT_SECONDS: "0.3" });
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 2, name: "b" }], given, store);
  await expect(publish(staged, to, given)).rejects.toMatchObject({ code: "table_locked", retryable: true });
  expect(await all(to.schema)).toEqual([["1", "a"]]);

  await store.removeOrphans((runId) => runId !== "held");
  expect((await warehouse.leftovers()).filter((name) => name.startsWith("_lock"))).toEqual([]);
  await publish(staged, to, given);
  expect(await all(to.schema)).toEqual([["2", "b"]]);
  await store.close();
  expect(await warehouse.leftovers()).toEqual([]);
});

test("a refused publish leaves table, comments and ledger as they were, and nothing else", async () => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1, name: "a" }]);
  const state = async (): Promise<unknown> => [
    await all(to.schema),
    await warehouse.sql(`SELECT uuid, comment FROM system.tables WHERE database = '${to.schema}'`),
    await warehouse.sql("SELECT * FROM _dagster_typescript.ledger ORDER BY ALL"),
    await warehouse.leftovers(),
  ];
  const before = await state();
  await (await warehouse.store.stageQuery(to, sql`SELECT 2::Int32 AS id, 'b' AS name`, null, attempt())).discard();
  await (await warehouse.stageRows(to, [{ id: 2, name: "b" }], attempt())).discard();
  expect(await state()).toEqual(before);
});

test.each([
  ["a column too many", sql`SELECT 1::Int32 AS id, 'x' AS name, 2 AS more`, /"more"/],
  ["a column too few", sql`SELECT 1::Int32 AS id`, /"name" is missing/],
  ["a wrong type", sql`SELECT 1::Int64 AS id, 'x' AS name`, /Int64, expected Int32/],
  ["a column twice", sql`SELECT 1::Int32 AS id, 'x' AS name, 'y' AS name`, /twice|same name|name/],
  ["another case", sql`SELECT 1::Int32 AS ID, 'x' AS name`, /"ID"/],
  ["no query", sql`CREATE TABLE evil AS SELECT 1`, /./],
  ["two statements", sql`SELECT 1::Int32 AS id, 'x' AS name; DROP TABLE a.x`, /./],
  ["NULL where none may be", sql`SELECT CAST(NULL AS Nullable(Int32)) AS id, 'x' AS name`, /NULL/],
])("a query that yields %s is refused, and the table stays", async (_name, query, message) => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1, name: "a" }]);
  await expect(warehouse.publishQuery(to, query)).rejects.toThrow(message);
  expect(await all(to.schema)).toEqual([["1", "a"]]);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("columns are matched by name, not by place; narrow literals, windows, comments and semicolons do no harm", async () => {
  const to = targetOf({ ...SHAPE, at: timestamp() });
  const window = { start: new Date("2017-01-01T00:00:00.123Z"), end: new Date("2017-01-02T00:00:00Z") };
  const bound = { kind: "window", bound: "start" } as const;
  await warehouse.publishQuery(to, sql`SELECT ${bound} AS at, 'x' AS name, 1 AS id -- done`, window);
  expect(await warehouse.sql(`SELECT id, name, at FROM ${to.schema}.x`)).toEqual([
    ["1", "x", "2017-01-01 00:00:00.123000"],
  ]);
});

test("values of rows and bound values are never read as SQL", async () => {
  const texts = [`'); DROP TABLE a.x; --`, `$1`, `"`, "\\'", "\\N", "{p1:String}", "a\tb\nc\\d", "nul\0nul", "`"];
  const to = targetOf({ text: z.string() });
  await warehouse.publishRows(
    to,
    texts.map((text) => ({ text })),
  );
  expect((await warehouse.sql(`SELECT text FROM ${to.schema}.x`)).flat().sort()).toEqual(texts.toSorted());
  for (const text of texts) {
    await warehouse.publishQuery(to, sql`SELECT CAST(${text} AS String) AS text`);
    expect(await warehouse.sql(`SELECT text FROM ${to.schema}.x`)).toEqual([[text]]);
  }
});

test.each(["exchange of a copy", "exchange", "one partition in place"])(
  "the latest line is the latest publish also when a clock was set back: by %s no row is added twice",
  async (way) => {
    const shape = { id: z.int32(), at: timestamp() };
    const at = new Date("2017-01-02T00:00:00Z");
    const base = { ...targetOf(shape), storage: { clickhouse: { partitionBy: sql`toYYYYMM(at)` } } };
    await warehouse.publishRows(base, [{ id: 0, at }]);
    // Its clock was ten seconds ahead.
    await warehouse.run(
      `INSERT INTO _dagster_typescript.ledger SELECT * REPLACE ('0' AS cursor, now64(6) + 10 AS published_at, generateUUIDv4() AS table_uuid)
        FROM _dagster_typescript.ledger WHERE asset_key = '${base.assetKey}'`,
    );
    const window = { kind: "window", column: "at", start: at, end: new Date("2017-01-03T00:00:00Z") } as const;
    const publishAfter = async (cursor: number, write: WriteStrategy): Promise<void> => {
      const given = attempt();
      const to = { ...base, strategy: write };
      const id = cursor + 1;
      const staged = await warehouse.stageRows(to, [{ id, at }], given);
      const entry = entryOf(to, given, await staged.facts());
      try {
        await staged.publish({ ...entry, cursor: String(id), after: String(cursor) });
      } finally {
        await staged.discard();
      }
      expect(await warehouse.store.lastCursor(to, given)).toBe(String(id));
    };
    if (way === "exchange of a copy") await publishAfter(0, { kind: "append" });
    else if (way === "exchange") await publishAfter(0, { kind: "replace" });
    else await publishAfter(0, { kind: "replacePartitions", partitions: window });
    // Whoever reads the old cursor brings the same row once more.
    await expect(publishAfter(0, { kind: "append" })).rejects.toMatchObject({ code: "cursor_moved" });
    await publishAfter(1, { kind: "append" });
    const ids = await warehouse.sql(`SELECT id FROM ${base.schema}.x ORDER BY id`);
    expect(ids.flat()).toEqual(way === "exchange of a copy" ? ["0", "1", "2"] : ["1", "2"]);
    const late = await warehouse.sql(
      `SELECT count(), uniqExact(published_at) FROM _dagster_typescript.ledger WHERE asset_key = '${base.assetKey}'`,
    );
    expect(late).toEqual([["4", "4"]]);
  },
);

test("rows of a query come in its order into a table whose engine keeps the last of equal ones", async () => {
  const to = targetOf({ id: z.int(), v: z.int() });
  await warehouse.run(`CREATE DATABASE ${to.schema}`);
  await warehouse.run(`CREATE TABLE ${to.schema}.x (id Int64, v Int64) ENGINE = ReplacingMergeTree ORDER BY id`);
  const rows = 2_000_000n;
  const query = sql`SELECT toInt64(number % 1000) AS id, toInt64(number) AS v FROM numbers_mt(${rows}) ORDER BY number`;
  for (let round = 0; round < 4; round += 1) {
    await warehouse.publishQuery(to, query);
    expect(await warehouse.sql(`SELECT count(), min(v) FROM ${to.schema}.x FINAL`)).toEqual([
      ["1000", String(rows - 1_000n)],
    ]);
  }
});
