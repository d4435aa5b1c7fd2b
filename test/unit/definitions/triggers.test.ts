import { expect, expectTypeOf, test } from "vitest";
import type { FaultCode } from "../../../definitions/fault.ts";
import {
  daily,
  date,
  defineAsset,
  defineSchedule,
  defineSensor,
  postgresTable,
  type ScheduleOptions,
  type SensorOptions,
  timestamp,
  z,
} from "../../../definitions/index.ts";
import { definedTriggers } from "../../../definitions/registry.ts";
import { changedRows, httpChanged, lateData, materialized, newFiles } from "../../../resources/sensors/index.ts";

const orders = defineAsset("shop/orders", {
  description: "x",
  columns: z.strictObject({ id: z.int(), at: timestamp(), day: date(), flag: z.boolean(), maybe: z.int().nullable() }),
  partitions: daily("day", { start: "2017-01-01" }),
  body: { async *rows() {} },
});
const sensor = { description: "x", assets: [orders], evaluate: () => ({}) };
const schedule = { description: "x", assets: [orders], cron: "0 3 * * *" };

/** The faults of a definition, as `code: message`. Its options may be anything, as plain JavaScript allows. */
function faultsOf(kind: "sensor" | "schedule", options: object, key = "shop/x"): string[] {
  if (kind === "sensor") expect(() => defineSensor(key, options as SensorOptions)).not.toThrow();
  else expect(() => defineSchedule(key, options as ScheduleOptions)).not.toThrow();
  const defined = definedTriggers().at(-1);
  expect(defined).toMatchObject({ kind, key });
  return (defined?.faults ?? []).map(({ code, message }) => `${code}: ${message}`);
}

test("a right sensor and a right schedule have no fault", () => {
  expect(faultsOf("sensor", sensor)).toEqual([]);
  expect(
    faultsOf("sensor", {
      ...sensor,
      every: "5m",
      timeout: "50s",
      cursor: z.strictObject({ id: z.int() }),
      defaultStatus: "stopped",
      tags: { domain: "sales" },
      watches: [orders],
    }),
  ).toEqual([]);
  expect(faultsOf("schedule", schedule)).toEqual([]);
  expect(faultsOf("schedule", { ...schedule, timezone: "Europe/Berlin", partitions: "all" })).toEqual([]);
  expect(faultsOf("schedule", { ...schedule, evaluate: () => ({}), timeout: "5s" })).toEqual([]);
});

test("the built-in sensors have no fault", () => {
  for (const logic of [
    newFiles({ folder: "inbox" }),
    changedRows(orders, { column: "at" }),
    lateData({ source: orders, time: "day", arrived: "at" }),
    lateData({ source: postgresTable("public.orders"), time: "sold_at", arrived: "recorded_at" }),
    httpChanged("https://example.com/", { by: "etag" }),
    materialized(orders),
  ])
    expect(faultsOf("sensor", { description: "x", assets: [orders], ...logic })).toEqual([]);
});

test.each<["sensor" | "schedule", string, object, FaultCode, RegExp]>([
  ["sensor", "no description", { description: " " }, "bad_option", /description/],
  ["sensor", "no assets", { assets: [] }, "bad_option", /at least one asset/],
  ["sensor", "assets that are no list", { assets: orders }, "bad_option", /a list of assets/],
  ["sensor", "an asset that is undefined", { assets: [undefined] }, "unknown_reference", /assets\[0\] is no asset/],
  ["sensor", "an asset that stands twice", { assets: [orders, orders] }, "bad_option", /"shop\/orders" stands twice/],
  ["sensor", "a watched asset that is undefined", { watches: [null] }, "unknown_reference", /watches\[0\]/],
  ["sensor", "no evaluate", { evaluate: undefined }, "bad_option", /evaluate: expected a function/],
  ["sensor", "an interval without unit", { every: "30" }, "bad_option", /every: expected a duration/],
  ["sensor", "an interval of nothing", { every: "0s" }, "bad_option", /every: expected a duration/],
  [
    "sensor",
    "a limit that Dagster's own would end",
    { timeout: "60s" },
    "bad_option",
    /timeout: expected at most 50 s/,
  ],
  ["sensor", "a cursor that is no schema", { cursor: { id: 1 } }, "bad_option", /cursor: expected a zod schema/],
  ["sensor", "an unknown status", { defaultStatus: "on" }, "bad_option", /"running" or "stopped", got "on"/],
  ["sensor", "a tag that Dagster refuses", { tags: { "a b": "c" } }, "bad_option", /tag "a b"/],
  ["schedule", "no cron", { cron: undefined }, "bad_option", /cron: "undefined" is no cron schedule/],
  ["schedule", "a cron of six fields", { cron: "0 0 3 * * *" }, "bad_option", /no cron schedule/],
  ["schedule", "a minute that is none", { cron: "61 * * * *" }, "bad_option", /no cron schedule/],
  ["schedule", "a zone that is none", { timezone: "Mars/Base" }, "bad_option", /no time zone/],
  ["schedule", "no assets", { assets: [] }, "bad_option", /at least one asset/],
  ["schedule", "unknown partitions", { partitions: "some" }, "bad_option", /"latest" or "all", got "some"/],
  ["schedule", "an evaluate that is none", { evaluate: "x" }, "bad_option", /evaluate: expected a function/],
  ["schedule", "a limit of nothing", { timeout: "5s" }, "bad_option", /only evaluate has one/],
  ["schedule", "both ways", { evaluate: () => ({}), partitions: "all" }, "bad_option", /leave one out/],
  ["schedule", "a limit that is too long", { evaluate: () => ({}), timeout: "1m" }, "bad_option", /at most 50 s/],
])("a %s with %s has a fault", (kind, _what, change, code, message) => {
  const [fault, ...others] = faultsOf(kind, { ...(kind === "sensor" ? sensor : schedule), ...change });
  expect(fault).toMatch(new RegExp(`^${code}`));
  expect(fault).toMatch(message);
  expect(others).toEqual([]);
});

test.each(["x", "a/b/c", "shop/in-box", "temp/x"])("the key %j is a fault, as it is of an asset", (key) => {
  expect(faultsOf("sensor", sensor, key)[0]).toMatch(/^bad_key/);
});

test("options that are not even an object are a fault", () => {
  expect(faultsOf("sensor", undefined as unknown as object)[0]).toMatch(/^bad_option: cannot read the definition/);
  expect(faultsOf("schedule", undefined as unknown as object)[0]).toMatch(/^bad_option: cannot read the definition/);
});

// The compiler holds the promises below: `npm run check` fails on an expected error that does not occur.

test("the cursor has the type of its schema, in and out", () => {
  defineSensor("shop/typed", {
    description: "x",
    assets: [orders],
    cursor: z.strictObject({ id: z.int() }),
    async evaluate({ cursor, materializations, signal, log }) {
      expectTypeOf(cursor).toEqualTypeOf<{ id: number } | null>();
      expectTypeOf(materializations[0]?.partition).toEqualTypeOf<string | null | undefined>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      log.info("x");
      return Promise.resolve({ cursor: { id: 1 }, runs: [{ runKey: "1", partitionKey: "2017-01-01" }] });
    },
  });
  defineSensor("shop/typed", {
    description: "x",
    assets: [orders],
    cursor: z.strictObject({ id: z.int() }),
    // @ts-expect-error -- the cursor has another type
    evaluate: () => ({ cursor: { id: "1" } }),
  });
  defineSensor("shop/typed", {
    description: "x",
    assets: [orders],
    // @ts-expect-error -- there is no cursor
    evaluate: () => ({ cursor: { id: 1 } }),
  });
  defineSensor("shop/typed", {
    description: "x",
    assets: [orders],
    // @ts-expect-error -- no such form of partitions
    evaluate: () => ({ runs: [{ partitions: ["2017-01-01"] }] }),
  });
  // @ts-expect-error -- no such unit
  defineSensor("shop/typed", { ...sensor, every: "30 seconds" });
  // @ts-expect-error -- no assets
  defineSchedule("shop/typed", { description: "x", cron: "@daily" });
});

test("the columns of a watermark are those that grow, and are never null", () => {
  changedRows(orders, { column: "id" });
  changedRows(orders, { column: "day" });
  // @ts-expect-error -- no such column
  changedRows(orders, { column: "idd" });
  // @ts-expect-error -- nothing grows
  changedRows(orders, { column: "flag" });
  // @ts-expect-error -- may be null
  changedRows(orders, { column: "maybe" });
  // @ts-expect-error -- a folder or objects, not both
  newFiles({ folder: "x", objects: { client: () => undefined as never, bucket: "x", prefix: "" } });
});

test("late data has a time or a day, and an instant of its arrival that is never null", () => {
  lateData({ source: orders, time: "at", arrived: "at", lag: "5m" });
  // @ts-expect-error -- no such column
  lateData({ source: orders, time: "att", arrived: "at" });
  // @ts-expect-error -- no time
  lateData({ source: orders, time: "id", arrived: "at" });
  // @ts-expect-error -- a day is no instant
  lateData({ source: orders, time: "day", arrived: "day" });
  // @ts-expect-error -- no duration
  lateData({ source: orders, time: "day", arrived: "at", lag: "soon" });
});
