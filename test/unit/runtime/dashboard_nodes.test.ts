import { expect, test } from "vitest";
import {
  bigNumber,
  count,
  date,
  defineAsset,
  defineDashboard,
  pie,
  sum,
  valueFilter,
  z,
} from "../../../definitions/index.ts";
import { definedAssets, definedDashboards } from "../../../definitions/registry.ts";
import { dashboardFaults, dashboardNodes } from "../../../runtime/superset/dashboard_nodes.ts";
import { isInSuperset } from "../../../runtime/superset/nodes.ts";

const columns = z.strictObject({ country: z.string(), day: date(), amount: z.int() });
const body = { async *rows() {} };
const orders = defineAsset("shop/orders", {
  description: "x",
  columns,
  superset: { metrics: { revenue: sum("amount") }, timeColumn: "day", sync: "manual" },
  body,
});
const visits = defineAsset("shop/visits", {
  description: "x",
  columns,
  superset: { metrics: { visits: count() }, sync: "scheduled" },
  body,
});
defineAsset("shop/plain", { description: "x", columns, body });

const assets = new Map(definedAssets().map((asset) => [asset.key, asset]));
const define = (name: string, options: Partial<Parameters<typeof defineDashboard>[1]>): ReturnType<typeof last> => {
  defineDashboard(name, {
    title: "T",
    description: "d",
    charts: [bigNumber("a", { dataset: orders, metric: "revenue" })],
    ...options,
  });
  return last();
};
const last = (): ReturnType<typeof definedDashboards>[number] => definedDashboards().at(-1) ?? expect.fail();
/** What the compiler refuses, as plain JavaScript would say it. */
const loose = (key: string): typeof orders => ({ ...orders, assetKey: key });

test("a dashboard is two nodes: one after its datasets, one that warms it after both", () => {
  const dashboard = define("both", {
    charts: [
      bigNumber("a", { dataset: visits, metric: "visits" }),
      pie("b", { dataset: orders, metric: "revenue", by: "country" }),
    ],
  });
  const datasets = ["superset/dataset/shop/orders", "superset/dataset/shop/visits"];
  expect(dashboardNodes([dashboard], assets)).toMatchObject([
    { key: "superset/dashboard/both", deps: datasets, sync: "scheduled" },
    { key: "superset/warm/both", deps: ["superset/dashboard/both", ...datasets], sync: "scheduled" },
  ]);
  const other = define("both_again", { charts: dashboard.options.charts.slice(0, 1) });
  const [first, second] = [dashboard, other].map((one) => dashboardNodes([one], assets)[0]?.codeVersion);
  expect(first).not.toBe(second);
});

test("what a dashboard shows and is not there is a fault that names it", () => {
  const wrong = define("wrong", {
    charts: [
      bigNumber("nowhere", { dataset: loose("shop/nowhere"), metric: "revenue" }),
      bigNumber("plain", { dataset: loose("shop/plain"), metric: "revenue" }),
      bigNumber("faulty", { dataset: loose("shop/faulty"), metric: "revenue" }),
      pie("names", { dataset: orders, metric: "revenu" as "revenue", by: "land" as "country" }),
    ],
    filters: [valueFilter("f", { dataset: orders, column: "land" as "country" })],
  });
  const faults = dashboardFaults([wrong], assets, new Set(["shop/faulty"]));
  expect(faults.map(({ message }) => message)).toEqual([
    expect.stringMatching(/chart nowhere shows "shop\/nowhere", which no file/),
    expect.stringMatching(/chart plain shows "shop\/plain", which is no dataset/),
    expect.stringMatching(/chart faulty shows "shop\/faulty", which has a fault/),
    expect.stringMatching(
      /chart names shows metric "revenu", which shop\/orders does not have: expected one of revenue/,
    ),
    expect.stringMatching(/chart names names column "land"/),
    expect.stringMatching(/filter f names column "land"/),
  ]);
  expect(new Set(faults.map(({ asset }) => asset))).toEqual(new Set(["dashboards/wrong"]));
});

test("all nodes of Superset are told from assets: what fails there for good is not tried again", () => {
  const nodes = ["superset/dataset/shop/orders", "superset/warm/kpi", "superset/snapshot", "superset/hand_made"];
  expect(nodes.map(isInSuperset)).toEqual([true, true, true, true]);
  expect(["superset/orders", "shop/superset"].map(isInSuperset)).toEqual([false, false]);
});
