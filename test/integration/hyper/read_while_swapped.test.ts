import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Arrivals } from "../../../definitions/tick.ts";
import { references, sql, timestamp, unique, z } from "../../../definitions/index.ts";
import type { TableRef } from "../../../definitions/sql.ts";
import { contextOf } from "../../../resources/checks.ts";
import { setAsideName } from "../../../resources/hyper/names.ts";
import type { Attempt, Target } from "../../../resources/store.ts";
import { attempt, connect, HyperServer, type Warehouse } from "./warehouse.ts";

const server = HyperServer.forThisFile();
const SHAPE = { id: z.int32(), at: timestamp() };
const COUNT = { count: z.int64() };
const LONGER_THAN_A_READ_MS = 300;
const ROWS = 1_000;
const AT = new Date("2026-11-01T00:00:00Z");
const rows = (count: number): object[] => Array.from({ length: count }, (_, id) => ({ id, at: AT, more: 1 }));

const referenceTo = ({ assetKey }: Target): TableRef => ({ kind: "table", assetKey });

/** What runs read of a table of another asset, and what they have to find. */
const READS: readonly [string, (warehouse: Warehouse, table: Target, given: Attempt) => Promise<unknown>, unknown][] = [
  [
    "a query",
    async (warehouse, table, given) => {
      const target = warehouse.target(COUNT, { kind: "replace" }, "y");
      const query = sql`SELECT count(*) AS count FROM ${referenceTo(table)}`;
      const staged = await warehouse.store.stageQuery(target, query, null, given);
      const { sample } = await staged.facts();
      await staged.discard();
      return sample.rows;
    },
    [[String(ROWS)]],
  ],
  [
    "a check of staged rows",
    async (warehouse, table, given) => {
      const writer = await warehouse.store.stageRows(
        warehouse.target({ id: z.int32() }, { kind: "append" }, "y"),
        given,
      );
      await writer.append([{ id: 1 }, { id: ROWS }]);
      const staged = await writer.finish();
      const [outcome] = await staged.check([references("id", { ...referenceTo(table), c: { id: 0 } }, "id")]);
      await staged.discard();
      return [outcome?.error, outcome?.failedRows];
    },
    [null, 1n],
  ],
  [
    "a check of published rows",
    async ({ store }, table, given) => {
      const [outcome] = await store.checkPublished(table, null, [unique("id")], contextOf(), given);
      return [outcome?.error, outcome?.passed, outcome?.checkedRows];
    },
    [null, true, BigInt(ROWS)],
  ],
  ["the highest value", async ({ store }, table, given) => store.maxOf(table, "id", given), String(ROWS - 1)],
  [
    "a count of arrivals",
    async ({ store }, table, given) => {
      const asked = { time: "at", arrived: "at", seconds: 86_400, from: null, lagMs: 0, notAfter: new Date() };
      const found: Arrivals | null = await store.arrivals(table, asked, given);
      return found?.groups.map(({ rowCount }) => rowCount);
    },
    [ROWS],
  ],
  [
    "an export",
    async ({ store }, table, given) => {
      const path = join(server.dir, `${given.runId}.parquet`);
      await store.exportParquet(table, path, given);
      return existsSync(path);
    },
    true,
  ],
  [
    "a comparison",
    async ({ store }, { schema, table }, given) =>
      store.withFrozenTables?.(given, async (tables) => (await tables.describe({ schema, table })).columns.length),
    2,
  ],
];

test.each(READS)("%s waits for a table that is being swapped", async (_, read, want) => {
  const warehouse = await server.open();
  const table = warehouse.changeable(SHAPE);
  await warehouse.publishRows(table, rows(ROWS));
  const swapper = await connect(server.url);
  onTestFinished(async () => {
    await swapper.end();
  });
  // As between the two renames of a process that lives.
  await swapper.query("BEGIN");
  await swapper.query(`DELETE FROM _dagster_typescript.turns WHERE asset_key = '${table.assetKey}'`);
  const swap = `INSERT INTO _dagster_typescript.swaps VALUES ('${table.assetKey}', 'alive', false)`;
  await warehouse.sql(swap);
  await warehouse.sql(`ALTER TABLE ${warehouse.schema}.x RENAME TO ${setAsideName(table.assetKey)}`);
  const reading = read(warehouse, table, attempt());
  expect(await Promise.race([reading, wait(LONGER_THAN_A_READ_MS, "waits")])).toBe("waits");
  await warehouse.sql(`ALTER TABLE ${warehouse.schema}.${setAsideName(table.assetKey)} RENAME TO x`);
  await swapper.query("ROLLBACK");
  expect(await reading).toEqual(want);
});

test.each(READS)("%s ends a swap whose process was killed, and finds the table", async (_, read, want) => {
  const warehouse = await server.open();
  const table = warehouse.changeable(SHAPE);
  await warehouse.publishRows(table, rows(ROWS));
  await warehouse.sql(`INSERT INTO _dagster_typescript.swaps VALUES ('${table.assetKey}', 'dead', false)`);
  await warehouse.sql(`ALTER TABLE ${warehouse.schema}.x RENAME TO ${setAsideName(table.assetKey)}`);
  expect(await read(warehouse, table, attempt())).toEqual(want);
});

test("runs that read a table whose columns change again and again never miss it", { timeout: 120_000 }, async () => {
  const warehouse = await server.open();
  const other = await server.open();
  const [one, two] = [warehouse.changeable(SHAPE), warehouse.changeable({ ...SHAPE, more: z.int32() })];
  await warehouse.publishRows(one, rows(ROWS));
  let over = false;
  const faults: unknown[] = [];
  const seen: number[] = [];
  const read = READS.map(async ([name, act, want]) => {
    let reads = 0;
    while (!over) {
      reads += 1;
      const found = await act(other, one, attempt()).catch((error: unknown) => error);
      // A comparison tells of a change, or sees a column more or less.
      const isWhole = name === "a comparison" || JSON.stringify(found, bigints) === JSON.stringify(want, bigints);
      const isError = found instanceof Error && (found as { readonly code?: string }).code !== "table_changed";
      if (!isWhole || isError) faults.push([name, found]);
      await wait(1);
    }
    seen.push(reads);
  });
  for (let swaps = 0; swaps < 20; swaps += 1) await warehouse.publishRows(swaps % 2 === 0 ? two : one, rows(ROWS));
  over = true;
  await Promise.all(read);
  expect(faults).toEqual([]);
  expect(Math.min(...seen)).toBeGreaterThan(5);
});

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

test("a run that reads a table whose swap takes too long fails, and can be tried again", async () => {
  const warehouse = await server.open({ HYPER_LOCK_TIMEOUT_SECONDS: "2" });
  const table = warehouse.changeable(SHAPE);
  await warehouse.publishRows(table, rows(3));
  const swapper = await connect(server.url);
  onTestFinished(async () => {
    await swapper.end();
  });
  await swapper.query("BEGIN");
  await swapper.query(`DELETE FROM _dagster_typescript.turns WHERE asset_key = '${table.assetKey}'`);
  await warehouse.sql(`INSERT INTO _dagster_typescript.swaps VALUES ('${table.assetKey}', 'alive', false)`);
  await warehouse.sql(`ALTER TABLE ${warehouse.schema}.x RENAME TO ${setAsideName(table.assetKey)}`);
  const said: string[] = [];
  await expect(warehouse.store.maxOf(table, "id", attempt({ log: (text) => said.push(text) }))).rejects.toMatchObject({
    code: "table_locked",
    retryable: true,
    message: expect.stringContaining(`a table that ${table.assetKey} reads`) as unknown,
  });
  expect(said).toEqual([expect.stringContaining(`Waiting for another transaction that writes a table that`)]);
  await swapper.query("ROLLBACK");
});

test("a table that is missing, and not for a swap, is told of at once", async () => {
  const warehouse = await server.open();
  const table = warehouse.changeable(SHAPE);
  await warehouse.publishRows(table, rows(3));
  // Another asset's, whose table is where it was.
  await warehouse.sql(`INSERT INTO _dagster_typescript.swaps VALUES ('${table.assetKey}', 'alive', false)`);
  const missing = warehouse.target(SHAPE, { kind: "replace" }, "nowhere");
  const query = sql`SELECT * FROM ${referenceTo(missing)}`;
  await expect(warehouse.store.stageQuery(warehouse.target(SHAPE), query, null, attempt())).rejects.toMatchObject({
    code: "undefined_relation",
    retryable: false,
  });
  expect(await warehouse.store.maxOf(missing, "id", attempt())).toBe(null);
});
