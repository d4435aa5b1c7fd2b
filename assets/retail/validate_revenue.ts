import { date, decimal, sql, validateMigration, within, xlsx, z } from "dagster-typescript";
import { revenue_by_store_daily } from "./revenue_by_store_daily.ts";

export const validate_revenue = validateMigration("retail/validate_revenue", {
  description: "Where the revenue of a day is not that of the workbook of finance, to the cent.",
  left: sql`
    SELECT
      day,
      CAST(sum(baskets) AS BIGINT) AS visits,
      CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
      CAST(sum(discount) AS DECIMAL(14, 2)) AS discount
    FROM ${revenue_by_store_daily}
    GROUP BY day`,
  right: xlsx("resources/finance/revenue_2017.xlsx", { table: "Revenue" }),
  columns: z.strictObject({
    day: date(),
    visits: z.int(),
    revenue: decimal(14, 2),
    discount: decimal(14, 2),
  }),
  key: ["day"],
  compare: { revenue: { absolute: "0.00" }, discount: { absolute: "0.00" } },
  owners: ["team:finance"],
  tags: { domain: "sales" },
  freshness: within("25h"),
});
