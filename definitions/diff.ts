import { z } from "zod";
import type { PostgresSource } from "./body.ts";
import { type Check, keepFailedRows, sqlCheck } from "./check.ts";
import { self, sql, type TableRef } from "./sql.ts";

/** Differing rows that are listed, unless the asset says otherwise. */
const LISTED_ROWS = 1_000;

/** One of two tables to compare: an asset, or a table of a PostgreSQL database that no asset makes. */
export type DiffSource = TableRef | PostgresSource;

/** A column of both tables: its name, or that on the left and that on the right. */
export type DiffColumn = string | readonly [left: string, right: string];

/** Two tables are compared; the rows of the asset are how they differ. */
export interface Diff {
  readonly kind: "diff";
  readonly left: DiffSource;
  readonly right: DiffSource;
  readonly key: readonly { readonly left: string; readonly right: string }[];
  /** `null`: all columns, which both tables must have then. */
  readonly columns: readonly { readonly left: string; readonly right: string }[] | null;
  readonly limit: number;
}

/**
 * The columns of an asset whose body is {@link diffTables}: a row for each value that differs, and for each row that only
 * one table has.
 */
export const differences = z.strictObject({
  difference: z
    .enum(["only_left", "only_right", "changed", "null_key", "duplicate_key", "not_listed"])
    .describe("What is wrong: see the key, or the numbers of rows in left_value and right_value"),
  row_key: z.string().nullable().describe("The key of the row, as a JSON object of texts"),
  column_name: z.string().nullable().describe("The column that differs"),
  left_value: z.string().nullable(),
  right_value: z.string().nullable(),
});

/**
 * The asset compares two tables without reading all of their rows: each store counts the rows of a few thousand parts and
 * adds up their checksums, and only of parts that differ the rows are read. Works for tables in DuckDB and PostgreSQL, in
 * two stores or in one, and for tables of one store in ClickHouse and Hyper. An asset with this body has the columns
 * {@link differences}, and {@link noDifferences} among its checks.
 *
 * Values are compared exactly: numbers by what they are, whatever their scale; texts by their bytes, so that two
 * Unicode normal forms differ; documents as they are written; -0 and 0 are equal, and so are two NaN. Columns whose types
 * cannot be compared fail the asset.
 *
 * @param options.key The columns that name a row. Rows without a whole key, and keys of several rows, are differences.
 * @param options.columns What is compared besides. Default: all columns, which both tables must have then.
 * @param options.limit Differing rows that are listed, 1 to 100,000. Default: 1000.
 * @example
 * ```ts
 * import { defineAsset, diffTables, differences, noDifferences, postgresTable } from "dagster-typescript";
 * import { orders } from "./orders.ts";
 *
 * export const orders_match = defineAsset("retail/orders_match", {
 *   description: "The orders here are those of the shop.",
 *   columns: differences,
 *   checks: [noDifferences()],
 *   body: diffTables({ left: orders, right: postgresTable("shop.orders", { url: "SHOP_URL" }), key: ["order_id"] }),
 * });
 * ```
 */
export function diffTables(options: {
  readonly left: DiffSource;
  readonly right: DiffSource;
  readonly key: readonly DiffColumn[];
  readonly columns?: readonly DiffColumn[];
  readonly limit?: number;
}): Diff {
  const { left, right, key, columns, limit = LISTED_ROWS } = options;
  return { kind: "diff", left, right, key: key.map(pairOf), columns: columns?.map(pairOf) ?? null, limit };
}

/** No difference was found: the check of an asset whose body is {@link diffTables}. The first differences are kept. */
export function noDifferences(): Check<never> {
  const any = sql`SELECT * FROM ${self}`;
  return keepFailedRows(sqlCheck("no_differences", any, { description: "Both tables have the same rows." }));
}

function pairOf(column: DiffColumn): { readonly left: string; readonly right: string } {
  return typeof column === "string" ? { left: column, right: column } : { left: column[0], right: column[1] };
}
