import {
  between,
  count,
  decimal,
  defineAsset,
  eager,
  query,
  rowCount,
  self,
  sql,
  sqlCheck,
  sum,
  timestamp,
  unique,
  within,
  z,
} from "dagster-typescript";
import { cleaned_events } from "./cleaned_events.ts";
import { demographics } from "./demographics.ts";

export const user_metrics = defineAsset("retail/user_metrics", {
  description: "One row per household: what it bought, when, and who it is as far as the survey tells.",
  columns: z.strictObject({
    user_id: z.int32().describe("Household, by its loyalty card"),
    age: z.string().nullable().describe("Age band; NULL for the two in three households without an answer"),
    income: z.string().nullable().describe("Income band, thousands of USD a year; NULL as above"),
    household_size: z.string().nullable().describe("Persons, up to 5+; NULL as above"),
    first_seen_at: timestamp().describe("Time of the first purchase, UTC"),
    last_seen_at: timestamp().describe("Time of the latest purchase, UTC"),
    baskets: z.int().describe("Visits"),
    stores: z.int().describe("Different stores visited"),
    pieces: z.int().describe("Pieces bought; a tank of fuel counts as one"),
    revenue: decimal(14, 2).describe("What the stores received, USD"),
    discount: decimal(14, 2).describe("What was taken off, USD"),
    revenue_per_basket: decimal(12, 2).describe("Average of a visit, USD"),
    favourite_department: z.string().nullable().describe("Department with the most revenue"),
  }),
  key: ["user_id"],
  checks: [
    rowCount({ min: 1 }),
    unique("user_id"),
    between("baskets", { min: 1 }),
    between("revenue", { min: "0.00" }),
    sqlCheck(
      "revenue_adds_up",
      sql`
        SELECT events.revenue AS events, users.revenue AS users
        FROM (SELECT sum(${cleaned_events.c.revenue}) AS revenue FROM ${cleaned_events}) AS events
        CROSS JOIN (SELECT sum(revenue) AS revenue FROM ${self}) AS users
        WHERE users.revenue IS DISTINCT FROM events.revenue`,
      { description: "The households' revenue is that of all events, to the cent." },
    ),
    sqlCheck("seen_in_order", sql`SELECT user_id FROM ${self} WHERE first_seen_at > last_seen_at`, {
      description: "No household is last seen before it is first seen.",
    }),
  ],
  owners: ["team:analytics"],
  tags: { domain: "customers", privacy: "personal" },
  freshness: within("25h"),
  automation: eager(),
  superset: {
    metrics: { households: count(), revenue: sum("revenue", { format: "$,.2f" }) },
    // Who the households are is nobody's grouping.
    columns: { user_id: { filterable: false, groupable: false } },
  },
  body: query("retail/user_metrics.sql", { cleaned_events, demographics }),
});
