import {
  between,
  decimal,
  defineAsset,
  eager,
  query,
  self,
  sql,
  sqlCheck,
  sum,
  unique,
  within,
  z,
} from "dagster-typescript";
import { user_metrics } from "./user_metrics.ts";

export const dashboard_data = defineAsset("retail/dashboard_data", {
  description: "Customers by age and income band: how many, how active, what they spend. What the dashboard shows.",
  columns: z.strictObject({
    age: z.string().describe("Age band, or Unknown"),
    income: z.string().describe("Income band, thousands of USD a year, or Unknown"),
    households: z.int().describe("Households that ever bought something"),
    active_households: z.int().describe("Of these, seen in the 28 days up to the latest purchase of all"),
    baskets: z.int().describe("Visits"),
    revenue: decimal(14, 2).describe("What the stores received, USD"),
    revenue_per_household: decimal(12, 2).describe("Average, USD"),
    revenue_per_basket: decimal(12, 2).describe("Average, USD"),
    revenue_share: z.number().describe("Share of the revenue of all households, 0 to 1"),
  }),
  key: ["age", "income"],
  checks: [
    unique("age", "income"),
    between("households", { min: 1 }),
    between("revenue_share", { min: 0, max: 1 }),
    sqlCheck("active_are_households", sql`SELECT age, income FROM ${self} WHERE active_households > households`, {
      description: "No segment has more active households than households.",
    }),
    sqlCheck(
      "covers_everybody",
      sql`
        SELECT users.households AS users, segments.households AS segments
        FROM (
          SELECT CAST(count(*) AS BIGINT) AS households, sum(${user_metrics.c.revenue}) AS revenue FROM ${user_metrics}
        ) AS users
        CROSS JOIN (
          SELECT CAST(sum(households) AS BIGINT) AS households, sum(revenue) AS revenue FROM ${self}
        ) AS segments
        WHERE segments.households IS DISTINCT FROM users.households OR segments.revenue IS DISTINCT FROM users.revenue`,
      { description: "Households and revenue of the segments are those of all users, to the cent." },
    ),
  ],
  owners: ["team:analytics"],
  tags: { domain: "customers" },
  freshness: within("25h"),
  automation: eager(),
  superset: {
    metrics: {
      revenue: sum("revenue", { format: "$,.2f" }),
      households: sum("households"),
      active_households: sum("active_households"),
    },
  },
  body: query("retail/dashboard_data.sql", { user_metrics }),
});
