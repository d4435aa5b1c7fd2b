import { expect, test } from "vitest";
import { date, defineAsset, defineSensor, postgresTable, z } from "../../../definitions/index.ts";
import { changedRows, type ChangedRowsOptions } from "../../../resources/sensors/index.ts";
import { testSensor, type TestSensorTick } from "../../../runtime/testing.ts";
import { WarehouseLockedError } from "../../../resources/duckdb/errors.ts";

const orders = defineAsset("shop/orders", {
  description: "x",
  columns: z.strictObject({ id: z.int(), day: date() }),
  body: { async *rows() {} },
});

const now = new Date("2017-01-02T00:00:00Z");
type Cursor = TestSensorTick<{ epoch: number; max: string | null }>["cursor"];

async function look(
  max: string | null,
  cursor: Cursor = null,
  options: Partial<ChangedRowsOptions<"id">> = {},
): Promise<TestSensorTick<{ epoch: number; max: string | null }>> {
  const sensor = defineSensor("shop/sensor", {
    description: "x",
    assets: [orders],
    ...changedRows(orders, { column: "id", ...options }),
  });
  return await testSensor(sensor, { cursor, now, maxOf: () => Promise.resolve(max) });
}

test("rows are loaded once: when they come, and not again", async () => {
  const first = await look("5");
  expect(first.runs).toMatchObject([{ runKey: expect.stringMatching(/-5$/) as string, assets: ["shop/orders"] }]);
  const second = await look("5", first.cursor);
  expect(second).toMatchObject({ runs: [], skip: "no row after 5", cursor: first.cursor });
  const third = await look("10", second.cursor);
  expect(third.runs).toMatchObject([{ runKey: expect.stringMatching(/-10$/) as string }]);
});

test("a table without rows asks for nothing", async () => {
  expect(await look(null)).toMatchObject({ runs: [], skip: "there are no rows", cursor: null });
});

test.each([
  ["10", "9"],
  ["9223372036854775808", "9223372036854775807"],
  ["-1.25", "-1.5"],
  ["2017-01-02 00:00:00+00", "2017-01-01 23:59:59.999+00"],
  ["2017-01-01 00:00:00.5+00", "2017-01-01 00:00:00+00"],
])("a watermark that goes back from %s to %s asks for nothing and stays", async (from, to) => {
  const { cursor } = await look(from);
  const tick = await look(to, cursor);
  expect(tick).toMatchObject({ runs: [], cursor });
  expect(tick.log.at(-1)?.message).toMatch(/went back from .* empty the cursor/);
});

test("the partitions are those between the watermarks", async () => {
  const partition = ({ from, to }: { from: string | null; to: string }): { start: string; end: string } => ({
    start: from ?? "2017-01-01",
    end: to,
  });
  const days = defineAsset("shop/days", {
    description: "x",
    columns: z.strictObject({ day: date() }),
    partitions: { kind: "daily", column: "day", start: "2017-01-01", end: null, timezone: "UTC" },
    body: { async *rows() {} },
  });
  const sensor = defineSensor("shop/by_day", {
    description: "x",
    assets: [days],
    ...changedRows(postgresTable("public.orders"), { column: "day", partition }),
  });
  const first = await testSensor(sensor, { maxOf: () => Promise.resolve("2017-01-03") });
  expect(first.runs).toMatchObject([{ partitionRange: { start: "2017-01-01", end: "2017-01-03" } }]);
});

test("rows of no partition move the watermark and ask for nothing", async () => {
  expect(await look("5", null, { partition: () => null })).toMatchObject({ runs: [], cursor: { max: "5" } });
});

test("after the cursor was emptied the same rows are loaded again", async () => {
  const [first] = (await look("5")).runs;
  const sensor = defineSensor("shop/sensor", {
    description: "x",
    assets: [orders],
    ...changedRows(orders, { column: "id" }),
  });
  const later = new Date(now.getTime() + 60_000);
  const [again] = (await testSensor(sensor, { now: later, maxOf: () => Promise.resolve("5") })).runs;
  expect(again?.runKey).not.toBe(first?.runKey);
});

test("a warehouse that a run is writing is looked at later", async () => {
  const sensor = defineSensor("shop/sensor", {
    description: "x",
    assets: [orders],
    ...changedRows(orders, { column: "id" }),
  });
  const locked = new WarehouseLockedError("open in another process");
  const tick = await testSensor(sensor, { maxOf: () => Promise.reject(locked) });
  expect(tick).toMatchObject({ runs: [], skip: "open in another process", cursor: null });
  await expect(testSensor(sensor, { maxOf: () => Promise.reject(new Error("no server")) })).rejects.toThrow(
    "no server",
  );
});
