import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout } from "../../ops/process.ts";

/** A table that is another one each time that it is computed, with its dataset. */
const LINES = `import { count, countDistinct, decimal, defineAsset, sql, sum, timestamp, z } from "dagster-typescript";
import { transactions } from "../retail/transactions.ts";

export const lines = defineAsset("bench/lines", {
  description: "Purchase lines, as of now.",
  columns: z.strictObject({
    basket_id: z.int(),
    product_id: z.int32(),
    household_id: z.int32(),
    store_id: z.int32(),
    quantity: z.int32(),
    sold_at: timestamp(),
    sales_value: decimal(12, 2),
    loaded_at: timestamp(),
  }),
  superset: {
    metrics: { revenue: sum("sales_value"), lines: count(), households: countDistinct("household_id") },
    timeColumn: "sold_at",
  },
  body: sql\`
    SELECT basket_id, product_id, household_id, store_id, quantity, sold_at, sales_value, now() AS loaded_at
    FROM \${transactions}\`,
});
`;

/** Ten charts over those lines. */
const DASHBOARD = `import { bar, bigNumber, defineDashboard, pie, table, timeFilter, timeSeries } from "dagster-typescript";
import { lines as dataset } from "../bench/lines.ts";

export const sales = defineDashboard("sales", {
  title: "Sales",
  description: "Ten charts over all purchase lines.",
  filters: [timeFilter("period", { default: "2017-01-01 : 2018-01-01" })],
  charts: [
    bigNumber("revenue", { dataset, metric: "revenue" }),
    bigNumber("lines", { dataset, metric: "lines" }),
    bigNumber("households", { dataset, metric: "households" }),
    timeSeries("revenue_by_day", { dataset, time: "sold_at", metrics: ["revenue", "lines"] }),
    timeSeries("revenue_by_week", { dataset, time: "sold_at", grain: "week", metrics: ["revenue"], by: "store_id", limit: 5 }),
    bar("revenue_by_store", { dataset, metrics: ["revenue"], by: "store_id" }),
    bar("households_by_quantity", { dataset, metrics: ["lines", "revenue"], by: "quantity" }),
    pie("shares", { dataset, metric: "revenue", by: "store_id", limit: 6 }),
    table("stores", { dataset, metrics: ["revenue", "lines", "households"], by: ["store_id"] }),
    table("products", { dataset, metrics: ["revenue", "lines"], by: ["product_id"], limit: 20 }),
  ],
});
`;

/** Writes the assets: the purchase lines, a table of them that changes with each run, and a dashboard. */
export function writeProject(project: string): void {
  for (const folder of ["retail", "bench", "dashboards"]) mkdirSync(path.join(project, "assets", folder));
  cpSync(path.join(checkout, "assets/retail/transactions.ts"), path.join(project, "assets/retail/transactions.ts"));
  writeFileSync(path.join(project, "assets/bench/lines.ts"), LINES);
  writeFileSync(path.join(project, "assets/dashboards/sales.ts"), DASHBOARD);
}
