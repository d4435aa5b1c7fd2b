import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { ClickHouseTable } from "../../../definitions/storage.ts";
import type { PartitionSet, Target } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, entryOf, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int32(), at: timestamp() };
const MONTHLY: ClickHouseTable = { orderBy: ["id"], partitionBy: sql`toYYYYMM(at)` };
const day = (text: string): Date => new Date(`${text}T00:00:00Z`);
const row = (id: number, text: string): object => ({ id, at: day(text) });

function windowOf(start: string, end: string): PartitionSet {
  return { kind: "window", column: "at", start: day(start), end: day(end) };
}

function partitioned(to: Target, partitions: PartitionSet, layout: ClickHouseTable = MONTHLY): Target {
  return { ...to, storage: { clickhouse: layout }, strategy: { kind: "replacePartitions", partitions } };
}

/** A table of three months with two days each, and what is known of it. */
async function threeMonths(layout: ClickHouseTable = MONTHLY): Promise<Target> {
  const to = { ...targetOf(SHAPE), storage: { clickhouse: layout } };
  const rows = [1, 2, 3].flatMap((month) => [row(month * 10 + 1, `2017-0${month}-05`), row(month * 10 + 2, `2017-0${month}-20`)]); // prettier-ignore
  await warehouse.publishRows(to, rows);
  return to;
}

const ids = async ({ schema }: Target): Promise<string[]> =>
  (await warehouse.sql(`SELECT id FROM ${schema}.x ORDER BY id`)).flat().map(String);
const uuid = async ({ schema }: Target): Promise<unknown> =>
  (await warehouse.sql(`SELECT uuid FROM system.tables WHERE database = '${schema}' AND name = 'x'`))[0]?.[0];
const parts = async ({ schema }: Target): Promise<string[]> =>
  (await warehouse.sql(`SELECT name FROM system.parts WHERE active AND database = '${schema}' ORDER BY name`)).flat().map(String); // prettier-ignore

test("a run of one partition of the table replaces it in place and touches no other", async () => {
  const base = await threeMonths();
  const [before, parted] = [await uuid(base), await parts(base)];
  const others = parted.filter((name) => !name.startsWith("201702"));
  const to = partitioned(base, windowOf("2017-02-01", "2017-03-01"));
  await warehouse.publishRows(to, [row(7, "2017-02-07")]);
  expect(await ids(to)).toEqual(["7", "11", "12", "31", "32"]);
  expect(await uuid(to)).toBe(before);
  expect((await parts(to)).filter((name) => !name.startsWith("201702"))).toEqual(others);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("rows of the same partition of the table but outside of the run's are kept", async () => {
  const base = await threeMonths();
  const to = partitioned(base, windowOf("2017-02-20", "2017-02-21"));
  await warehouse.publishRows(to, [row(7, "2017-02-20"), row(8, "2017-02-20")]);
  expect(await ids(to)).toEqual(["7", "8", "11", "12", "21", "31", "32"]);
  await warehouse.publishRows(to, []);
  expect(await ids(to)).toEqual(["11", "12", "21", "31", "32"]);
});

test("a run that yields no rows empties its partition", async () => {
  const base = await threeMonths();
  const to = partitioned(base, windowOf("2017-02-01", "2017-03-01"));
  await warehouse.publishRows(to, []);
  expect(await ids(to)).toEqual(["11", "12", "31", "32"]);
  await warehouse.publishRows(to, []);
  expect(await ids(to)).toEqual(["11", "12", "31", "32"]);
});

test("a run of several partitions of the table changes all of them in one moment", async () => {
  const base = await threeMonths();
  const [before, parted] = [await uuid(base), await parts(base)];
  const to = partitioned(base, windowOf("2017-01-10", "2017-03-01"));
  const log: string[] = [];
  await warehouse.publishRows(to, [row(7, "2017-01-20"), row(8, "2017-02-03")], { log: (text) => log.push(text) });
  expect(await ids(to)).toEqual(["7", "8", "11", "31", "32"]);
  expect(await uuid(to)).not.toBe(before);
  // The third month was linked, not copied.
  expect((await parts(to)).filter((name) => name.startsWith("201703"))).toHaveLength(
    parted.filter((name) => name.startsWith("201703")).length,
  );
  expect(log).toEqual([]);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("readers never see some of several partitions new and some old, unless the asset wants one by one", async () => {
  for (const replacePartitions of ["atOnce", "oneByOne"] as const) {
    const layout = { ...MONTHLY, replacePartitions };
    const base = await threeMonths(layout);
    const before = await uuid(base);
    const to = partitioned(base, windowOf("2017-01-01", "2017-04-01"), layout);
    const done = new AbortController();
    const seen = new Set<string>();
    const reader = (async () => {
      while (!done.signal.aborted) seen.add(JSON.stringify(await warehouse.sql(`SELECT groupUniqArray(intDiv(id, 100)) FROM ${to.schema}.x`))); // prettier-ignore
    })();
    for (let round = 1; round <= 5; round += 1)
      await warehouse.publishRows(
        to,
        [1, 2, 3].map((month) => row(round * 100 + month, `2017-0${month}-05`)),
      );
    done.abort();
    await reader;
    expect(await ids(to)).toEqual(["501", "502", "503"]);
    if (replacePartitions === "oneByOne") expect(await uuid(to)).toBe(before);
    else for (const one of seen) expect(one).toMatch(/^\[\["\[\d\]"\]\]$/);
  }
});

test("partitions by keys are replaced the same way", async () => {
  const layout: ClickHouseTable = { partitionBy: sql`country` };
  const shape = { id: z.int32(), country: z.string() };
  const base = { ...targetOf(shape), storage: { clickhouse: layout } };
  await warehouse.publishRows(base, [{ id: 1, country: "de" }, { id: 2, country: "fr" }, { id: 3, country: "it" }]); // prettier-ignore
  const keys = (...names: string[]): PartitionSet => ({ kind: "keys", column: "country", keys: names });
  await warehouse.publishRows(partitioned(base, keys("fr"), layout), [{ id: 4, country: "fr" }]);
  expect(await ids(base)).toEqual(["1", "3", "4"]);
  await warehouse.publishRows(partitioned(base, keys("fr", "it", "es"), layout), [{ id: 5, country: "es" }]);
  expect(await ids(base)).toEqual(["1", "5"]);
});

test("a contract with a new column and a description come with the partitions", async () => {
  const base = await threeMonths();
  const wider = targetOf({ ...SHAPE, note: z.string().nullable() }, { kind: "replace" }, base.assetKey);
  await warehouse.publishRows(partitioned(wider, windowOf("2017-02-01", "2017-03-01")), [{ ...row(7, "2017-02-07"), note: "n" }]); // prettier-ignore
  expect(await ids(base)).toEqual(["7", "11", "12", "31", "32"]);
  const told = { ...partitioned(wider, windowOf("2017-02-01", "2017-03-01")), description: "Another." };
  await warehouse.publishRows(told, [{ ...row(8, "2017-02-07"), note: "n" }]);
  expect(await ids(base)).toEqual(["8", "11", "12", "31", "32"]);
  expect(await warehouse.sql(`SELECT comment FROM system.tables WHERE database = '${base.schema}'`)).toEqual([["Another."]]); // prettier-ignore
});

test("an index that is made while rows are staged is kept, and the rows are published", async () => {
  const base = await threeMonths();
  const to = partitioned(base, windowOf("2017-02-01", "2017-03-01"));
  const given = attempt();
  const staged = await warehouse.stageRows(to, [row(7, "2017-02-07")], given);
  await warehouse.run(`ALTER TABLE ${to.schema}.x ADD INDEX late id TYPE minmax GRANULARITY 1`);
  await publish(staged, to, given);
  expect(await ids(to)).toEqual(["7", "11", "12", "31", "32"]);
  expect(await warehouse.sql(`SELECT name FROM system.data_skipping_indices WHERE database = '${to.schema}'`)).toEqual([["late"]]); // prettier-ignore
});

test("the ledger has one line for each publish, in place or by exchange, and the latest is the latest", async () => {
  const base = await threeMonths();
  const months = ["2017-01-01", "2017-02-01", "2017-03-01", "2017-04-01"];
  const runs: string[] = [];
  for (const end of months.slice(1)) {
    const to = partitioned(base, windowOf("2017-01-01", end));
    const given = attempt();
    runs.push(given.runId);
    const staged = await warehouse.stageRows(to, [row(7, "2017-01-07")], given);
    const facts = await staged.facts();
    await staged.publish({ ...entryOf(to, given, facts), cursor: end });
    expect(await warehouse.store.lastCursor(to, given)).toBe(end);
    expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId, cursor: end });
  }
  const lines = await warehouse.sql(
    `SELECT run_id FROM _dagster_typescript.ledger WHERE asset_key = '${base.assetKey}' ORDER BY published_at`,
  );
  expect(lines.flat().slice(1)).toEqual(runs);
});

test("a run of two dimensions leaves other keys of its window as they are, in whichever of the table's partitions", async () => {
  const base = { ...targetOf({ ...SHAPE, shop: z.string() }), storage: { clickhouse: MONTHLY } };
  const cell = (id: number, text: string, shop: string): object => ({ ...row(id, text), shop });
  const jan = ["a", "b'", "c"].map((shop, n) => cell(10 + n, "2017-01-20", shop));
  const feb = ["a", "b'", "c"].map((shop, n) => cell(20 + n, "2017-02-05", shop));
  await warehouse.publishRows(base, [...jan, ...feb, cell(30, "2017-02-06", "a")]);
  const both = (start: string, end: string): PartitionSet => ({
    kind: "both",
    conditions: [
      { kind: "window", column: "at", start: day(start), end: day(end) },
      { kind: "keys", column: "shop", keys: ["a", "b'"] },
    ],
  });
  const within = partitioned(base, both("2017-02-05", "2017-02-06"));
  await warehouse.publishRows(within, [cell(40, "2017-02-05", "b'")]);
  expect(await ids(base)).toEqual(["10", "11", "12", "22", "30", "40"]);
  await warehouse.publishRows(partitioned(base, both("2017-01-20", "2017-02-06")), [cell(50, "2017-01-20", "a")]);
  expect(await ids(base)).toEqual(["12", "22", "30", "50"]);
});

test("rows that a lightweight DELETE has masked do not keep a run of partitions from its own", async () => {
  const base = await threeMonths();
  const to = partitioned(base, windowOf("2017-02-20", "2017-02-21"));
  await warehouse.run(`DELETE FROM ${to.schema}.x WHERE id IN (11, 21)`);
  await warehouse.publishRows(to, [row(7, "2017-02-20")]);
  expect(await ids(to)).toEqual(["7", "12", "31", "32"]);
});
