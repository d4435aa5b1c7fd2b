import {
  between,
  date,
  decimal,
  defineAsset,
  eager,
  materializedView,
  query,
  self,
  sql,
  sqlCheck,
  sum,
  unique,
  within,
  z,
} from "dagster-typescript";
import { transactions } from "./transactions.ts";

export const revenue_by_store_daily = defineAsset("retail/revenue_by_store_daily", {
  description: "Revenue of each store on each day of its own clock. Days without a sale have no row.",
  columns: z.strictObject({
    store_id: z.int32().describe("Store"),
    day: date().describe("Day on the store's clock (America/New_York), not in UTC"),
    baskets: z.int().describe("Visits"),
    revenue: decimal(14, 2).describe("What the store received, USD"),
    discount: decimal(14, 2).describe("Loyalty card, coupon and what the store added to it, USD"),
  }),
  key: ["store_id", "day"],
  checks: [
    unique("store_id", "day"),
    between("day", { min: "2017-01-01", max: "2017-12-31" }),
    between("baskets", { min: 1 }),
    between("revenue", { min: "0.00" }),
    sqlCheck(
      "revenue_adds_up",
      sql`
        SELECT lines.revenue AS lines, days.revenue AS days
        FROM (SELECT sum(${transactions.c.sales_value}) AS revenue FROM ${transactions}) AS lines
        CROSS JOIN (SELECT sum(revenue) AS revenue FROM ${self}) AS days
        WHERE days.revenue IS DISTINCT FROM lines.revenue`,
      { description: "The days' revenue is that of all lines, to the cent." },
    ),
  ],
  owners: ["team:finance"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  automation: eager(),
  storage: {
    postgres: { indexes: [{ columns: ["day"], include: ["revenue"] }] },
    clickhouse: { orderBy: ["day", "store_id"], partitionBy: sql`toYear(day)` },
  },
  superset: {
    metrics: {
      revenue: sum("revenue", { format: "$,.2f" }),
      discount: sum("discount", { format: "$,.2f" }),
      baskets: sum("baskets"),
    },
    timeColumn: "day",
  },
  body: materializedView(query("retail/revenue_by_store_daily.sql", { transactions })),
});
