import {
  acceptedValues,
  copy,
  defineAsset,
  notNull,
  onCron,
  parquet,
  rowCount,
  unique,
  warn,
  within,
  z,
} from "dagster-typescript";

export const products = defineAsset("retail/products", {
  description: "The articles of the chain.",
  columns: z.strictObject({
    product_id: z.int32().describe("Article"),
    manufacturer_id: z.int32().describe("Who makes it"),
    department: z.string().describe("Widest group, such as GROCERY or FUEL"),
    brand: z.string().describe("National, or the chain's own (Private)"),
    product_category: z.string().nullable().describe("Group within the department"),
    product_type: z.string().nullable().describe("Group within the category"),
    package_size: z.string().nullable().describe("As printed, such as 22 LB; a third of the articles have none"),
  }),
  key: ["product_id"],
  checks: [
    rowCount({ min: 50_000 }),
    unique("product_id"),
    acceptedValues("brand", ["National", "Private"]),
    warn(notNull("product_type")),
  ],
  owners: ["team:retail"],
  tags: { domain: "reference" },
  freshness: within("25h"),
  automation: onCron("0 5 * * *", { timezone: "America/New_York" }),
  body: copy(parquet("data/completejourney/products.parquet")),
});
