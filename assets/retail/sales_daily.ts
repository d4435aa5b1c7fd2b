import {
  between,
  daily,
  date,
  decimal,
  defineAsset,
  formula,
  query,
  self,
  sql,
  sqlCheck,
  sum,
  unique,
  window,
  within,
  z,
} from "dagster-typescript";
import { sales_hourly } from "./sales_hourly.ts";

export const sales_daily = defineAsset("retail/sales_daily", {
  description: "What each department sold on each day of UTC, rolled up from the hours.",
  columns: z.strictObject({
    day: date().describe("Day in UTC"),
    department: z.string().describe("Department of the articles, or UNKNOWN"),
    lines: z.int().describe("Purchase lines"),
    baskets: z.int().describe("Visits in which something of the department was bought"),
    pieces: z.int().describe("Pieces; a tank of fuel counts as one"),
    revenue: decimal(14, 2).describe("What the stores received, USD"),
    discount: decimal(14, 2).describe("What was taken off, USD"),
    busiest_hour: z.int32().describe("Hour of the day with the most revenue, 0 to 23, UTC; the first of several"),
  }),
  key: ["day", "department"],
  partitions: daily("day", { start: "2017-01-01", end: "2018-01-02" }),
  checks: [
    unique("day", "department"),
    between("lines", { min: 1 }),
    between("busiest_hour", { min: 0, max: 23 }),
    sqlCheck(
      "revenue_adds_up",
      sql`
        SELECT days.revenue AS days, hours.revenue AS hours
        FROM (SELECT coalesce(sum(revenue), 0) AS revenue FROM ${self}) AS days
        CROSS JOIN (
          SELECT coalesce(sum(${sales_hourly.c.revenue}), 0) AS revenue
          FROM ${sales_hourly}
          WHERE ${sales_hourly.c.hour} >= ${window.start} AND ${sales_hourly.c.hour} < ${window.end}
        ) AS hours
        WHERE days.revenue <> hours.revenue`,
      { description: "The days' revenue is that of their hours, to the cent." },
    ),
  ],
  owners: ["team:analytics"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  superset: {
    metrics: {
      revenue: sum("revenue", { format: "$,.2f" }),
      discount: sum("discount", { format: "$,.2f" }),
      discount_rate: {
        ...formula`SUM(${"discount"}) / NULLIF(SUM(${"revenue"}) + SUM(${"discount"}), 0)`,
        description: "Share of the list price that was taken off",
        format: ".1%",
      },
      pieces: sum("pieces"),
      lines: sum("lines"),
    },
    timeColumn: "day",
  },
  body: query("retail/sales_daily.sql", { sales_hourly }),
});
