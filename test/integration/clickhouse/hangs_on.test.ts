import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int32().describe("From the contract"), name: z.string().nullable(), at: timestamp() };
const at = new Date("2017-01-02T12:00:00Z");
const row = (id: number): object => ({ id, name: `n${id}`, at });
const window = { start: new Date("2017-01-02T00:00:00Z"), end: new Date("2017-01-03T00:00:00Z") };
const STRATEGIES: readonly WriteStrategy[] = [
  { kind: "replace" },
  { kind: "replacePartitions", partitions: { kind: "window", column: "at", ...window } },
  { kind: "append" },
  { kind: "merge", key: ["id"] },
];

test.each(STRATEGIES)(
  "$kind keeps views, materialized views and their rows, indexes, projections, TTL, order, partitions and comments",
  async (strategy) => {
    const to = targetOf(SHAPE, strategy);
    const { schema } = to;
    // A table that a person made, with everything that can hang on one.
    await warehouse.run(
      `CREATE DATABASE ${schema}`,
      `CREATE TABLE ${schema}.x (
        id Int32, name Nullable(String) COMMENT 'it''s written by "people"', at DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
        INDEX by_name name TYPE bloom_filter(0.01) GRANULARITY 2,
        PROJECTION by_day (SELECT toDate(at), count() GROUP BY toDate(at))
      ) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id TTL toDateTime(at) + INTERVAL 30 YEAR`,
      `INSERT INTO ${schema}.x VALUES (0, 'old', '2016-05-05 00:00:00')`,
      `CREATE VIEW ${schema}.v AS SELECT count() AS n, max(id) AS top FROM ${schema}.x`,
      `CREATE MATERIALIZED VIEW ${schema}.mv ENGINE = SummingMergeTree ORDER BY day POPULATE AS
        SELECT toDate(at) AS day, count() AS n FROM ${schema}.x GROUP BY day`,
      `CREATE TABLE ${schema}.fed (id Int32) ENGINE = MergeTree ORDER BY id`,
      `CREATE MATERIALIZED VIEW ${schema}.mv_to TO ${schema}.fed AS SELECT id FROM ${schema}.x`,
    );
    const shape = async (): Promise<unknown> => [
      await warehouse.sql(
        `SELECT engine_full, partition_key, sorting_key FROM system.tables WHERE database = '${schema}' AND name = 'x'`,
      ),
      await warehouse.sql(
        `SELECT name, expr, type_full, granularity FROM system.data_skipping_indices WHERE database = '${schema}'`,
      ),
      await warehouse.sql(`SELECT name, query FROM system.projections WHERE database = '${schema}'`),
      await warehouse.sql(
        `SELECT compression_codec, comment FROM system.columns WHERE database = '${schema}' AND table = 'x' AND name IN ('name', 'at')`,
      ),
    ];
    const before = await shape();

    await warehouse.publishRows(to, [row(1)]);
    await warehouse.publishRows(to, [row(2)]);
    const kept = strategy.kind === "replace" ? [] : ["0"];
    const added = strategy.kind === "append" || strategy.kind === "merge" ? ["1", "2"] : ["2"];
    const ids = [...kept, ...added];
    expect((await warehouse.sql(`SELECT id FROM ${schema}.x ORDER BY id`)).flat()).toEqual(ids);
    expect(await warehouse.sql(`SELECT * FROM ${schema}.v`)).toEqual([[String(ids.length), "2"]]);
    expect(await shape()).toEqual(before);
    expect(
      await warehouse.sql(
        `SELECT comment FROM system.columns WHERE database = '${schema}' AND table = 'x' AND name = 'id'`,
      ),
    ).toEqual([["From the contract"]]);
    expect(
      await warehouse.sql(`SELECT comment FROM system.tables WHERE database = '${schema}' AND name = 'x'`),
    ).toEqual([["A test."]]);

    // The rows that a materialized view had are there, and it goes on to be fed by inserts.
    expect(await warehouse.sql(`SELECT sum(n) FROM ${schema}.mv WHERE day = '2016-05-05'`)).toEqual([["1"]]);
    await warehouse.run(`INSERT INTO ${schema}.x (id, name, at) VALUES (9, 'new', '2020-05-05 00:00:00')`);
    expect(await warehouse.sql(`SELECT sum(n) FROM ${schema}.mv WHERE day = '2020-05-05'`)).toEqual([["1"]]);
    expect(await warehouse.sql(`SELECT count() FROM ${schema}.fed WHERE id = 9`)).toEqual([["1"]]);
  },
);

test("a query's replace keeps an index that is made while its rows are staged", async () => {
  const to = targetOf({ id: z.int32(), name: z.string() });
  await warehouse.publishRows(to, [{ id: 1, name: "a" }]);
  const given = attempt();
  const staged = await warehouse.store.stageQuery(to, sql`SELECT 2::Int32 AS id, 'b' AS name`, null, given);
  await warehouse.run(`ALTER TABLE ${to.schema}.x ADD INDEX late name TYPE minmax GRANULARITY 1`);
  await publish(staged, to, given);
  expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x`)).toEqual([["2", "b"]]);
  expect(await warehouse.sql(`SELECT name FROM system.data_skipping_indices WHERE database = '${to.schema}'`)).toEqual([
    ["late"],
  ]);
});

test("a contract that changed its columns keeps the indexes that go with them, and says which do not", async () => {
  const to = targetOf({ id: z.int32(), name: z.string() });
  await warehouse.publishRows(to, [{ id: 1, name: "a" }]);
  await warehouse.run(
    `ALTER TABLE ${to.schema}.x ADD INDEX by_id id TYPE minmax GRANULARITY 1`,
    `ALTER TABLE ${to.schema}.x ADD INDEX by_name name TYPE minmax GRANULARITY 1`,
  );
  const messages: string[] = [];
  const other = targetOf({ id: z.int32(), more: z.boolean() }, { kind: "replace" }, to.assetKey);
  await warehouse.publishRows(other, [{ id: 2, more: true }], { log: (message) => messages.push(message) });
  expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x`)).toEqual([["2", "true"]]);
  expect(await warehouse.sql(`SELECT name FROM system.data_skipping_indices WHERE database = '${to.schema}'`)).toEqual([
    ["by_id"],
  ]);
  expect(messages.join("\n")).toContain("by_name");
});

test("a view in the place of the table is never dropped", async () => {
  const to = targetOf({ id: z.int32() });
  await warehouse.run(`CREATE DATABASE ${to.schema}`, `CREATE VIEW ${to.schema}.x AS SELECT 7 AS id`);
  await expect(warehouse.publishRows(to, [{ id: 1 }])).rejects.toMatchObject({ code: "contract_broken" });
  expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x`)).toEqual([["7"]]);
  expect(await warehouse.leftovers()).toEqual([]);
});
