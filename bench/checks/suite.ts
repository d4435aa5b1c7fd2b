import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { readColumn } from "../../definitions/column_type.ts";
import {
  acceptedValues,
  between,
  type Check,
  decimal,
  matches,
  named,
  notNull,
  recent,
  rowCount,
  textLength,
  timestamp,
  unique,
  z,
} from "../../definitions/index.ts";
import type { Target } from "../../resources/store.ts";

const SHAPE = {
  event_id: z.string(),
  basket_id: z.int(),
  product_id: z.int32(),
  household_id: z.int32(),
  store_id: z.int32(),
  quantity: z.int32(),
  sales_value: decimal(12, 2),
  retail_disc: decimal(12, 2),
  sold_at: timestamp(),
  week: z.int32(),
};

/** The table that is checked: the purchase lines. */
export const TARGET: Target = {
  assetKey: "bench/lines",
  schema: "bench",
  table: "lines",
  description: "Purchase lines.",
  columns: Object.entries(SHAPE).map(([name, type]) => {
    const read = readColumn(name, type);
    if (!read.ok) throw new Error(read.message);
    return read.column;
  }),
  key: [],
  storage: {},
  strategy: { kind: "replace" },
};

/** Twelve checks; `contract.yml` says the same to Soda. All of them hold. */
export const SUITE: readonly Check[] = [
  unique("basket_id", "product_id"),
  notNull("household_id"),
  matches("event_id", "[0-9]+-[0-9]+"),
  textLength("event_id", { min: 3, max: 30 }),
  between("quantity", { min: 0, max: 100_000 }),
  between("sales_value", { min: "0.00", max: "1000.00" }),
  between("retail_disc", { min: "0.00" }),
  between("store_id", { min: 1, max: 100_000 }),
  acceptedValues(
    "week",
    Array.from({ length: 53 }, (_, week) => week + 1),
  ),
  named("weeks", between("week", { min: 1, max: 53 })),
  recent("sold_at", "36500d"),
  rowCount({ min: 1_000_000, max: 2_000_000 }),
];

/** Twelve checks on six columns that one pass over the rows answers. All of them hold. */
export const ROW_SUITE: readonly Check[] = [
  notNull("event_id"),
  textLength("event_id", { min: 3, max: 30 }),
  notNull("quantity"),
  between("quantity", { min: 0, max: 100_000 }),
  notNull("sales_value"),
  between("sales_value", { min: "0.00", max: "1000.00" }),
  notNull("store_id"),
  between("store_id", { min: 1, max: 100_000 }),
  notNull("week"),
  named("weeks", between("week", { min: 1, max: 53 })),
  acceptedValues(
    "week",
    Array.from({ length: 53 }, (_, week) => week + 1),
  ),
  recent("sold_at", "36500d"),
];

/** Writes the table into a new DuckDB file, and returns its number of rows. */
export async function writeLines(folder: string, transactions: string): Promise<number> {
  const instance = await DuckDBInstance.create(join(folder, "warehouse.duckdb"));
  const connection = await instance.connect();
  await connection.run("CREATE SCHEMA bench");
  await connection.run(
    `CREATE TABLE bench.lines AS SELECT
      basket_id || '-' || product_id AS event_id, basket_id, CAST(product_id AS INTEGER) AS product_id,
      CAST(household_id AS INTEGER) AS household_id, CAST(store_id AS INTEGER) AS store_id,
      CAST(quantity AS INTEGER) AS quantity, CAST(sales_value AS DECIMAL(12, 2)) AS sales_value,
      CAST(retail_disc AS DECIMAL(12, 2)) AS retail_disc,
      CAST(transaction_timestamp AS TIMESTAMPTZ) AS sold_at, CAST(week AS INTEGER) AS week
    FROM read_parquet($1)`,
    [transactions],
  );
  const counted = await connection.runAndReadAll("SELECT count(*) FROM bench.lines");
  connection.closeSync();
  instance.closeSync();
  return Number(counted.getRows()[0]?.[0]);
}
