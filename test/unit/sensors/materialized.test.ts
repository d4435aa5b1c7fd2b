import { expect, test } from "vitest";
import { daily, date, defineAsset, defineSensor, type Materialization, z } from "../../../definitions/index.ts";
import { materialized } from "../../../resources/sensors/index.ts";
import { testSensor } from "../../../runtime/testing.ts";

const base = { description: "x", columns: z.strictObject({ day: date() }), body: { async *rows() {} } };
const orders = defineAsset("shop/orders", { ...base, partitions: daily("day", { start: "2017-01-01" }) });
const byDay = defineAsset("shop/by_day", { ...base, partitions: daily("day", { start: "2017-01-01" }) });
const report = defineAsset("shop/report", base);

const event = (partition: string, changed = true, runId = "r"): Materialization => ({
  asset: "shop/orders",
  partition,
  dataVersion: "v",
  changed,
  runId,
  at: new Date("2017-01-02T00:00:00Z"),
});
const followed = defineSensor("shop/followed", {
  description: "x",
  assets: [byDay],
  ...materialized(orders, { partition: (day) => (day < "2017-02-01" ? day : null) }),
});
const reported = defineSensor("shop/reported", { description: "x", assets: [report], ...materialized(orders) });

test("the partitions that changed are asked for in one run", async () => {
  const materializations = [event("2017-01-02"), event("2017-01-01"), event("2017-01-03", false), event("2017-02-01")];
  const { runs } = await testSensor(followed, { materializations });
  expect(runs).toMatchObject([{ partitionKeys: ["2017-01-01", "2017-01-02"] }]);
});

test("the same data as before asks for nothing", async () => {
  const tick = await testSensor(followed, { materializations: [event("2017-01-01", false)] });
  expect(tick).toMatchObject({ runs: [], skip: "shop/orders has the same data as before" });
  expect(await testSensor(followed)).toMatchObject({ runs: [], skip: "shop/orders was not materialised" });
});

test("the same news have the same run key, and other news another", async () => {
  const keyOf = async (...materializations: Materialization[]): Promise<string | null | undefined> =>
    (await testSensor(reported, { materializations })).runs[0]?.runKey;
  const key = await keyOf(event("2017-01-01"));
  expect(await keyOf(event("2017-01-01"))).toBe(key);
  expect(await keyOf(event("2017-01-01", true, "another run"))).not.toBe(key);
});
