import {
  between,
  copy,
  decimal,
  defineAsset,
  named,
  onCron,
  parquet,
  rowCount,
  sql,
  timestamp,
  unique,
  warn,
  within,
  z,
} from "dagster-typescript";

export const transactions = defineAsset("retail/transactions", {
  description: "Purchase lines as head office exports them: the same sales as retail/raw_events, by another way.",
  columns: z.strictObject({
    basket_id: z.int().describe("One visit to one till"),
    product_id: z.int32().describe("Article; not every one is in retail/products"),
    household_id: z.int32().describe("Household, by its loyalty card"),
    store_id: z.int32().describe("Store"),
    sold_at: timestamp().describe("Time of the sale, UTC"),
    quantity: z
      .int32()
      .describe("As the till counts: pieces, for fuel thousandths of a gallon; 0 for a coupon or a void"),
    sales_value: decimal(12, 2).describe("What the store received, coupons of manufacturers included, USD"),
    retail_discount: decimal(12, 2).describe("Taken off by the loyalty card, USD"),
    coupon_discount: decimal(12, 2).describe("Taken off by a manufacturer's coupon, USD"),
    coupon_match_discount: decimal(12, 2).describe("What the store added to the coupon, USD"),
  }),
  key: ["basket_id", "product_id"],
  checks: [
    rowCount({ min: 1_000_000 }),
    unique("basket_id", "product_id"),
    between("sold_at", { min: "2017-01-01T00:00:00Z", max: "2018-01-02T00:00:00Z" }),
    between("quantity", { min: 0 }),
    between("sales_value", { min: "0.00", max: "1000.00" }),
    // Gift cards and patio sets: real, but worth a look.
    warn(named("no_outsized_sale", between("sales_value", { max: "500.00" }))),
  ],
  owners: ["team:finance"],
  tags: { domain: "sales", source: "head_office" },
  freshness: within("25h"),
  automation: onCron("0 5 * * *", { timezone: "America/New_York" }),
  storage: {
    postgres: {
      indexes: [
        { columns: ["store_id", "sold_at"], include: ["sales_value"] },
        { columns: ["product_id"], where: sql`quantity > 0` },
      ],
    },
    clickhouse: {
      orderBy: ["store_id", "sold_at"],
      partitionBy: sql`toYYYYMM(sold_at)`,
      indexes: [{ name: "by_basket", expression: sql`basket_id`, type: "bloom_filter(0.01)" }],
      codecs: { sold_at: "Delta, ZSTD(1)" },
    },
  },
  body: copy(parquet("data/completejourney/transactions.parquet"), {
    columns: {
      sold_at: "transaction_timestamp",
      retail_discount: "retail_disc",
      coupon_discount: "coupon_disc",
      coupon_match_discount: "coupon_match_disc",
    },
    // The number of the week in the year, which sold_at says.
    ignore: ["week"],
  }),
});
