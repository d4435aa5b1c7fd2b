import { date, decimal, defineAsset, sql, timestamp, z } from "dagster-typescript";

export const source = defineAsset("bench/source", {
  description: "A million rows in PostgreSQL; the bench has made them.",
  store: "postgres",
  columns: z.strictObject({
    id: z.int(),
    name: z.string(),
    amount: decimal(12, 2),
    sold_at: timestamp(),
    day: date(),
    is_member: z.boolean(),
    score: z.number(),
    note: z.string().nullable(),
  }),
  body: sql`SELECT * FROM bench.source`,
});
