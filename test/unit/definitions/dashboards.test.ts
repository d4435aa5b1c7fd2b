// The compiler holds some of these promises: `npm run check` fails on an expected error that does not occur.
import { expect, test } from "vitest";
import {
  bar,
  bigNumber,
  type Chart,
  count,
  date,
  defineAsset,
  defineDashboard,
  pie,
  sum,
  table,
  timeFilter,
  timeSeries,
  valueFilter,
  z,
} from "../../../definitions/index.ts";
import { definedDashboards } from "../../../definitions/registry.ts";
import type { DefinedDashboard } from "../../../definitions/superset/dashboard.ts";

const orders = defineAsset("shop/orders", {
  description: "x",
  columns: z.strictObject({ country: z.string(), day: date(), amount: z.int(), maybe: z.int().nullable() }),
  superset: { metrics: { revenue: sum("amount"), orders: count() }, timeColumn: "day" },
  body: { async *rows() {} },
});
const plain = defineAsset("shop/plain", {
  description: "x",
  columns: z.strictObject({ country: z.string() }),
  body: { async *rows() {} },
});

function define(name: string, options: Partial<Parameters<typeof defineDashboard>[1]>): DefinedDashboard {
  const chart = bigNumber("revenue", { dataset: orders, metric: "revenue" });
  defineDashboard(name, { title: "Sales", description: "x", charts: [chart], ...options });
  return definedDashboards().at(-1) ?? expect.fail();
}

test("a renamed column or metric of a chart or filter is a compile error", () => {
  const all = [
    // @ts-expect-error -- no such metric
    bigNumber("a", { dataset: orders, metric: "revenu" }),
    // @ts-expect-error -- no such metric
    timeSeries("b", { dataset: orders, time: "day", metrics: ["revenue", "buyers"] }),
    // @ts-expect-error -- text is no time
    timeSeries("c", { dataset: orders, time: "country", metrics: ["revenue"] }),
    // @ts-expect-error -- no such column
    timeSeries("d", { dataset: orders, time: "day", metrics: ["revenue"], by: "land" }),
    // @ts-expect-error -- no such step
    timeSeries("e", { dataset: orders, time: "day", metrics: ["revenue"], grain: "minute" }),
    // @ts-expect-error -- no such column
    bar("f", { dataset: orders, metrics: ["revenue"], by: "land" }),
    // @ts-expect-error -- a bar has a metric at least
    bar("g", { dataset: orders, metrics: [], by: "country" }),
    // @ts-expect-error -- no such column
    pie("h", { dataset: orders, metric: "revenue", by: "land" }),
    // @ts-expect-error -- no such column
    table("i", { dataset: orders, metrics: ["orders"], by: ["country", "land"] }),
    // @ts-expect-error -- an asset without metrics has nothing to show
    bigNumber("j", { dataset: plain, metric: "revenue" }),
  ];
  // @ts-expect-error -- no such column
  expect(valueFilter("land", { dataset: orders, column: "land" })).toBeDefined();
  expect(all).toHaveLength(10);
});

test("what a dashboard says is kept, with defaults for what it leaves out", () => {
  const { options, key, faults } = define("sales", {
    filters: [timeFilter("period"), valueFilter("country", { dataset: orders, column: "country", default: ["DE"] })],
  });
  expect(faults).toEqual([]);
  expect(key).toBe("dashboards/sales");
  expect(options.charts[0]).toMatchObject({ kind: "big_number", title: "Revenue", metrics: ["revenue"], width: 3 });
  expect(options.filters).toMatchObject([
    { kind: "time", title: "Period", default: "No filter" },
    { kind: "value", column: "country", default: ["DE"] },
  ]);
});

test("all that is wrong with a dashboard is reported at once, and a chart of another kind by its name", () => {
  const gauge = { ...bigNumber("x", { dataset: orders, metric: "revenue" }), kind: "gauge" } as unknown as Chart;
  const twice = pie("x", { dataset: orders, metric: "revenue", by: "country", width: 13 });
  const { faults } = define("bad", {
    title: " ",
    charts: [gauge, twice],
    warm: { concurrency: 0, roles: ["", "a"] },
  });
  const text = faults.map(({ message }) => message).join("\n");
  expect(text).toMatch(/there is no chart "gauge": expected bigNumber\(…\), timeSeries/);
  for (const part of ["title:", 'two are called "x"', "width:", "warm.concurrency:", "warm.roles:"])
    expect(text).toContain(part);
  expect(define("no-name", {}).faults).not.toEqual([]);
  const cyclic = { dataset: undefined as unknown as typeof orders, metric: "revenue" as const };
  expect(define("cyclic", { charts: [bigNumber("y", cyclic)] }).faults).toMatchObject([{ code: "unknown_reference" }]);
});
