import {
  between,
  daily,
  decimal,
  defineAsset,
  query,
  self,
  sql,
  sqlCheck,
  timestamp,
  unique,
  window,
  within,
  z,
} from "dagster-typescript";
import { cleaned_events } from "./cleaned_events.ts";

export const sales_hourly = defineAsset("retail/sales_hourly", {
  description: "What each department sold in each hour. Hours without a sale have no row.",
  columns: z.strictObject({
    hour: timestamp().describe("Beginning of the hour, UTC"),
    department: z.string().describe("Department of the articles, or UNKNOWN"),
    lines: z.int().describe("Purchase lines"),
    baskets: z.int().describe("Visits in which something of the department was bought"),
    pieces: z.int().describe("Pieces; a tank of fuel counts as one"),
    revenue: decimal(14, 2).describe("What the stores received, USD"),
    discount: decimal(14, 2).describe("What was taken off, USD"),
  }),
  key: ["hour", "department"],
  // Rows by the hour, computed by the day: a year is 366 partitions to look at, not 8,784.
  partitions: daily("hour", { start: "2017-01-01", end: "2018-01-02" }),
  checks: [
    unique("hour", "department"),
    between("lines", { min: 1 }),
    between("revenue", { min: "0.00" }),
    sqlCheck(
      "revenue_adds_up",
      sql`
        SELECT hours.revenue AS hours, cleaned.revenue AS cleaned
        FROM (SELECT coalesce(sum(revenue), 0) AS revenue FROM ${self}) AS hours
        CROSS JOIN (
          SELECT coalesce(sum(${cleaned_events.c.revenue}), 0) AS revenue
          FROM ${cleaned_events}
          WHERE
            ${cleaned_events.c.occurred_at} >= ${window.start}
            AND ${cleaned_events.c.occurred_at} < ${window.end}
        ) AS cleaned
        WHERE hours.revenue <> cleaned.revenue`,
      { description: "The hours' revenue is that of their lines, to the cent." },
    ),
  ],
  owners: ["team:analytics"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  body: query("retail/sales_hourly.sql", { cleaned_events }),
});
