import {
  between,
  daily,
  decimal,
  defineAsset,
  query,
  references,
  sql,
  self,
  sqlCheck,
  timestamp,
  unique,
  warn,
  window,
  within,
  z,
} from "dagster-typescript";
import { products } from "./products.ts";
import { raw_events } from "./raw_events.ts";

export const cleaned_events = defineAsset("retail/cleaned_events", {
  description: "Purchase lines, each one once, without coupons and voids, with quantities that can be added up.",
  columns: z.strictObject({
    event_id: z.string().describe("Basket and product, joined by a hyphen"),
    basket_id: z.int().describe("One visit to one till"),
    product_id: z.int32().describe("Article"),
    user_id: z.int32().describe("Household, by its loyalty card"),
    store_id: z.int32().describe("Store"),
    occurred_at: timestamp().describe("Time of the sale, UTC"),
    department: z.string().nullable().describe("Department of the article; NULL when the article is unknown"),
    quantity: z.int32().describe("Pieces; a tank of fuel counts as one"),
    fuel_gallons: decimal(9, 3).nullable().describe("US gallons, where the till measured them; NULL for all else"),
    revenue: decimal(12, 2).describe("What the store received, USD"),
    discount: decimal(12, 2).describe("Loyalty card, coupon and what the store added to it, USD"),
  }),
  key: ["event_id"],
  partitions: daily("occurred_at", { start: "2017-01-01", end: "2018-01-02" }),
  checks: [
    unique("event_id"),
    between("quantity", { min: 1, max: 500 }),
    between("fuel_gallons", { min: "0.100", max: "120.000" }),
    between("revenue", { min: "0.00", max: "1000.00" }),
    between("discount", { min: "0.00", max: "500.00" }),
    warn(references("product_id", products, "product_id")),
    sqlCheck(
      "revenue_survives_cleaning",
      sql`
        SELECT delivered.revenue AS delivered, kept.revenue AS kept
        FROM (
          SELECT coalesce(sum(${raw_events.c.revenue}), 0) AS revenue
          FROM ${raw_events}
          WHERE ${raw_events.c.occurred_at} >= ${window.start} AND ${raw_events.c.occurred_at} < ${window.end}
        ) AS delivered
        CROSS JOIN (SELECT coalesce(sum(revenue), 0) AS revenue FROM ${self}) AS kept
        WHERE 1000 * kept.revenue < 999 * delivered.revenue OR kept.revenue > delivered.revenue`,
      { description: "Cleaning drops at most a thousandth of the revenue, and never adds any." },
    ),
  ],
  owners: ["team:retail"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  body: query("retail/cleaned_events.sql", { raw_events, products }),
});
