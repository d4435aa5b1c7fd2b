import { acceptedValues, copy, defineAsset, onCron, parquet, rowCount, unique, within, z } from "dagster-typescript";

export const demographics = defineAsset("retail/demographics", {
  description: "What is known about the households that answered the survey, about one in three.",
  columns: z.strictObject({
    household_id: z.int32().describe("Household, by its loyalty card"),
    age: z.string().describe("Age band of the one who answered, in years"),
    income: z.string().describe("Income band of the household, thousands of USD a year"),
    home_ownership: z.string().nullable().describe("Homeowner, Renter, or a guess at one of them"),
    marital_status: z.string().nullable().describe("Married or Unmarried"),
    household_size: z.string().describe("Persons, up to 5+"),
    household_comp: z.string().describe("Adults and children, in words"),
    kids_count: z.string().describe("Children, up to 3+"),
  }),
  key: ["household_id"],
  checks: [
    rowCount({ min: 1 }),
    unique("household_id"),
    acceptedValues("age", ["19-24", "25-34", "35-44", "45-54", "55-64", "65+"]),
    acceptedValues("household_size", ["1", "2", "3", "4", "5+"]),
    acceptedValues("kids_count", ["0", "1", "2", "3+"]),
  ],
  owners: ["team:retail"],
  tags: { domain: "reference", privacy: "personal" },
  freshness: within("25h"),
  automation: onCron("0 5 * * *", { timezone: "America/New_York" }),
  body: copy(parquet("data/completejourney/demographics.parquet")),
});
