import { date, decimal, defineAsset, sql, sqlCheck, within, z } from "dagster-typescript";
import { revenue_by_store_daily } from "./revenue_by_store_daily.ts";
import { validate_revenue } from "./validate_revenue.ts";

export const rollout = defineAsset("retail/rollout", {
  description: "Revenue by day, for those who use it in place of the workbook of finance.",
  columns: z.strictObject({
    day: date().describe("Day on the stores' clock"),
    revenue: decimal(14, 2).describe("What all stores received, USD"),
  }),
  key: ["day"],
  // Also where somebody asks for this asset alone.
  checks: [
    sqlCheck("validated", sql`SELECT * FROM ${validate_revenue}`, { description: "The workbook says the same." }),
  ],
  owners: ["team:finance"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  body: sql`
    SELECT day, CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue
    FROM ${revenue_by_store_daily}
    GROUP BY day`,
});
