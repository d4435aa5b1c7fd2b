import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { decimal, rowCount, sql, timestamp, unique, z } from "../../../definitions/index.ts";
import type { Sql, TableRef } from "../../../definitions/sql.ts";
import type { Attempt, StagedFacts, Target } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, entryOf, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SALES = { id: z.int(), store: z.string(), at: timestamp(), paid: decimal(12, 2) };
const at = new Date("2017-01-02T12:00:00Z");
const BY_STORE = { store: z.string(), lines: z.int(), paid: decimal(38, 2) };

function refTo({ assetKey }: Target): TableRef {
  return { kind: "table", assetKey };
}

async function sales(count: number): Promise<Target> {
  const to = { ...targetOf(SALES), key: ["id"] };
  await warehouse.publishRows(to, Array.from({ length: count }, (_, id) => ({ id, store: `s${id % 3}`, at, paid: "0.50" }))); // prettier-ignore
  return to;
}

const full = (source: Target): Sql =>
  sql`SELECT store, CAST(count() AS Int64) AS lines, sum(paid) AS paid FROM ${refTo(source)} GROUP BY store`;

async function refresh(to: Target, query: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
  const given = attempt(change);
  return await publish(await warehouse.store.stageView(to, query, "full", null, given), to, given);
}

const rows = async ({ schema }: Target): Promise<unknown> =>
  await warehouse.sql(`SELECT * FROM ${schema}.x ORDER BY ALL`);
const views = async (): Promise<unknown> =>
  await warehouse.sql(
    "SELECT view, status, exception FROM system.view_refreshes WHERE database = '_dagster_typescript'",
  );

test("a refreshable view is refreshed by each run, and can be seen where ClickHouse shows such views", async () => {
  const source = await sales(6);
  const to = { ...targetOf(BY_STORE), key: ["store"] };
  expect(await refresh(to, full(source))).toMatchObject({ rowCount: 3n });
  expect(await rows(to)).toEqual([["s0", "2", "1.00"], ["s1", "2", "1.00"], ["s2", "2", "1.00"]]); // prettier-ignore
  const seen = await views();
  expect(seen).toEqual([[expect.stringMatching(/^_view~/), "Scheduled", ""]]);
  await warehouse.publishRows(source, [{ id: 1, store: "new", at, paid: "7.25" }]);
  await refresh(to, full(source));
  expect(await rows(to)).toEqual([["new", "1", "7.25"]]);
  expect(await views()).toEqual(seen);
  expect((await warehouse.leftovers()).filter((name) => !name.startsWith("_view"))).toEqual([]);
  // Nothing of the rows is kept twice.
  expect(await warehouse.sql("SELECT sum(total_rows) FROM system.tables WHERE name LIKE '_view_rows%'")).toEqual([["0"]]); // prettier-ignore
  expect(await warehouse.sql(`SELECT sorting_key FROM system.tables WHERE database = '${to.schema}'`)).toEqual([["store"]]); // prettier-ignore
});

test("rows of a refresh are checked before anybody reads them", async () => {
  const source = await sales(3);
  const to = { ...targetOf(BY_STORE), key: ["store"] };
  await refresh(to, full(source));
  const given = attempt();
  const twice = sql`SELECT 's' AS store, CAST(number AS Int64) AS lines, CAST(1 AS Decimal(38, 2)) AS paid FROM numbers(2)`;
  const staged = await warehouse.store.stageView(to, twice, "full", null, given);
  const outcomes = await staged.check([unique("store"), rowCount({ min: 1 })]);
  expect(outcomes.map(({ passed }) => passed)).toEqual([false, true]);
  await staged.discard();
  expect(await rows(to)).toHaveLength(3);
});

test("a refresh that fails says why, leaves the table, and the next one goes on", async () => {
  const source = await sales(3);
  const to = { ...targetOf(BY_STORE), key: ["store"] };
  await refresh(to, full(source));
  const failing = sql`SELECT store, CAST(throwIf(store = 's1', 'no luck') AS Int64) AS lines, CAST(paid AS Decimal(38, 2)) AS paid FROM ${refTo(source)}`;
  await expect(refresh(to, failing)).rejects.toMatchObject({ code: "statement_failed", message: expect.stringContaining("no luck") as string }); // prettier-ignore
  const withNull = sql`SELECT CAST(nullIf(store, 's1') AS Nullable(String)) AS store, id AS lines, CAST(paid AS Decimal(38, 2)) AS paid FROM ${refTo(source)}`;
  await expect(refresh(to, withNull)).rejects.toThrow(/NULL/);
  await expect(refresh(to, sql`SELECT store FROM ${refTo(source)}`)).rejects.toMatchObject({ code: "contract_broken" });
  expect(await rows(to)).toHaveLength(3);
  await refresh(to, full(source));
  expect(await rows(to)).toHaveLength(3);
  expect((await warehouse.leftovers()).filter((name) => !name.startsWith("_view"))).toEqual([]);
});

test("a refresh longer than the limit of a statement ends, and can be tried again", async () => {
  const to = targetOf({ id: z.int() });
  const store = warehouse.another({ CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "1" });
  const slow = sql`SELECT toInt64(number + sleepEachRow(0.1)) AS id FROM numbers(300) SETTINGS max_block_size = 1`;
  await expect(store.stageView(to, slow, "full", null, attempt())).rejects.toMatchObject({ code: "statement_timeout", retryable: false }); // prettier-ignore
  await store.close();
  await refresh(to, sql`SELECT toInt64(1) AS id`);
  expect(await rows(to)).toEqual([["1"]]);
});

test("a run that ends while its view refreshes takes the refresh along", async () => {
  const to = targetOf({ id: z.int() });
  const ending = new AbortController();
  const slow = sql`SELECT toInt64(number + sleepEachRow(0.1)) AS id FROM numbers(300) SETTINGS max_block_size = 1`;
  const staging = warehouse.store.stageView(to, slow, "full", null, attempt({ signal: ending.signal }));
  const running = async (): Promise<boolean> =>
    (await warehouse.sql("SELECT count() FROM system.view_refreshes WHERE status = 'Running'"))[0]?.[0] !== "0";
  const deadline = performance.now() + 30_000;
  while (!(await running()) && performance.now() < deadline) await wait(20);
  ending.abort(new Error("ended"));
  await expect(staging).rejects.toThrow("ended");
  while ((await running()) && performance.now() < deadline) await wait(20);
  expect(await running()).toBe(false);
});

test("values in the SQL of a view keep their types, and nothing of them is read as SQL", async () => {
  const to = targetOf({ text: z.string(), day: timestamp(), big: z.int(), none: z.string().nullable() });
  const text = "it's; -- {p1:String} \\ `";
  const query = sql`SELECT ${text} AS text, ${at} AS day, ${2n ** 53n - 1n} AS big, CAST(${null} AS Nullable(String)) AS none`;
  await refresh(to, query);
  expect(await rows(to)).toEqual([[text, "2017-01-02 12:00:00.000000", "9007199254740991", null]]);
});

test("two runs at once refresh one after the other", async () => {
  const to = targetOf({ id: z.int() });
  await Promise.all([1, 2, 3].map((id) => refresh(to, sql`SELECT toInt64(${id}) AS id FROM numbers(${id})`)));
  const found = (await rows(to)) as string[][];
  expect(found).toEqual(Array.from({ length: Number(found[0]?.[0]) }, () => [found[0]?.[0]]));
});

test("a view keeps what people made of its table, and is laid out as declared", async () => {
  const source = await sales(3);
  const to: Target = { ...targetOf(BY_STORE), storage: { clickhouse: { orderBy: ["store"], codecs: { lines: "ZSTD(3)" } } } }; // prettier-ignore
  await refresh(to, full(source));
  await warehouse.run(`ALTER TABLE ${to.schema}.x ADD INDEX by_hand lines TYPE minmax GRANULARITY 1`);
  await refresh(to, full(source));
  expect(await warehouse.sql(`SELECT name FROM system.data_skipping_indices WHERE database = '${to.schema}'`)).toEqual([["by_hand"]]); // prettier-ignore
  expect(await warehouse.sql(`SELECT sorting_key FROM system.tables WHERE database = '${to.schema}'`)).toEqual([["store"]]); // prettier-ignore
  expect(await warehouse.sql(`SELECT compression_codec FROM system.columns WHERE database = '${to.schema}' AND name = 'lines'`)).toEqual([["CODEC(ZSTD(3))"]]); // prettier-ignore
});

test("what a publish of the view was stands in the ledger", async () => {
  const to = targetOf({ id: z.int() });
  const given = attempt();
  const staged = await warehouse.store.stageView(to, sql`SELECT toInt64(1) AS id`, "full", null, given);
  await staged.publish(entryOf(to, given, await staged.facts()));
  expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId, rowCount: 1n });
});
