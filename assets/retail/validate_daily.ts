import { defineSchedule } from "dagster-typescript";
import { rollout } from "./rollout.ts";
import { validate_revenue } from "./validate_revenue.ts";

export const validate_daily = defineSchedule("retail/validate_daily", {
  description: "Holds the revenue against the workbook of finance, and rolls it out where both are the same.",
  cron: "0 6 * * *",
  timezone: "America/New_York",
  assets: [validate_revenue, rollout],
});
