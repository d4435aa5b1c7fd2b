import { z } from "zod";
import { type Asset, type AssetOptions, defineAsset, type Name, type Shape } from "./asset.ts";
import { sqlCheck } from "./check.ts";
import { date } from "./column.ts";
import { self, sql } from "./sql.ts";
import type { Tolerance, Validation, ValidationSource } from "./validation.ts";

/** What a validation is. */
export interface ValidationOptions<S extends Shape> extends Pick<
  AssetOptions<Shape>,
  "description" | "owners" | "tags" | "group" | "pool" | "retry" | "timeout" | "freshness" | "automation" | "store"
> {
  /** What is to be proven, such as the new table. */
  readonly left: ValidationSource;
  /** What it is held against, such as the workbook that people trust. */
  readonly right: ValidationSource;
  /** The columns to compare, with the types that both sides are read as. */
  readonly columns: z.ZodObject<S, z.core.$strict>;
  /** The columns that name a row on both sides. */
  readonly key: readonly [NoInfer<Name<S>>, ...NoInfer<Name<S>>[]];
  /** Where more or less than the default is to be the same. */
  readonly compare?: { readonly [K in NoInfer<Name<S>>]?: Tolerance } | undefined;
  /** Column to its name on a side, where the names differ. */
  readonly names?:
    | {
        readonly left?: { readonly [K in NoInfer<Name<S>>]?: string };
        readonly right?: { readonly [K in NoInfer<Name<S>>]?: string };
      }
    | undefined;
  /** Differences that are kept in the table and in the report; all are counted. @default 10000 */
  readonly maxRows?: number | undefined;
}

/** Differences that are kept, unless the validation says otherwise. */
const MAX_ROWS = 10_000;

/** A difference. */
const DIFFERENCES = z.strictObject({
  kind: z
    .enum(["value", "missing", "duplicate", "no_key", "unreadable", "not_compared"])
    .describe("Values that differ; rows that one side lacks; keys that a side has twice; cells that cannot be read"),
  side: z.enum(["left", "right"]).nullable().describe("The side that is at fault; NULL where values differ"),
  key: z.string().nullable().describe("The key, its columns joined by |"),
  column_name: z.string().nullable().describe("The column; NULL for whole rows"),
  left_value: z.string().nullable().describe("As it is compared"),
  right_value: z.string().nullable().describe("As it is compared; where it cannot be read, as it is written"),
  delta: z.number().nullable().describe("Right less left, about; for numbers"),
  place: z.string().nullable().describe("Where it stands in the file"),
  detail: z.string().nullable().describe("What is wrong, in words"),
});

/** The rows of the history: a line for each day and column, of the last run of the day. */
export const HISTORY = z.strictObject({
  day: date().describe("Day of the validation, UTC"),
  column_name: z.string().describe("The column; (rows) for whole rows"),
  passed: z.boolean().describe("Whether there was no difference at all"),
  left_rows: z.int(),
  right_rows: z.int(),
  compared: z.int().describe("Keys that were compared; for (rows) all keys of both sides"),
  equal: z.int().describe("Those that are the same"),
  match_rate: z.number().describe("equal / compared, from 0 to 1, cut after six decimals"),
  left_total: z.string().nullable().describe("Sum of the side; NULL unless a number"),
  right_total: z.string().nullable(),
  run_id: z.string(),
});

/** The columns of the table of a validation. */
export type DifferenceShape = (typeof DIFFERENCES)["shape"];

/**
 * Declares an asset that compares two sides key by key, such as a table and the workbook that it replaces. Its table is
 * the differences; beside it, `<key>_history` keeps the match rates of each day. Any difference, and anything that keeps
 * it from comparing, fails its check and so stops what is downstream.
 *
 * @param key `"schema/table"`, the same as the file's path below `assets/`.
 * @example
 * ```ts
 * import { date, decimal, sql, validateMigration, xlsx, z } from "dagster-typescript";
 *
 * export const validate_revenue = validateMigration("retail/validate_revenue", {
 *   description: "Revenue as the workbook of finance has it.",
 *   left: sql`SELECT CAST('2017-01-01' AS DATE) AS day, CAST(12.5 AS DECIMAL(14, 2)) AS revenue`,
 *   right: xlsx("data/finance/revenue.xlsx", { table: "Revenue" }),
 *   columns: z.strictObject({ day: date(), revenue: decimal(14, 2) }),
 *   key: ["day"],
 *   names: { right: { day: "Day", revenue: "Revenue, USD" } },
 * });
 * ```
 */
export function validateMigration<const S extends Shape>(
  key: string,
  options: ValidationOptions<S>,
): Asset<DifferenceShape> {
  const { left, right, columns, key: keyColumns, compare = {}, names = {}, maxRows = MAX_ROWS, ...rest } = options;
  const body: Validation = {
    ...{ kind: "validation", left, right, columns, key: keyColumns, maxRows },
    compare,
    names: { left: names.left ?? {}, right: names.right ?? {} },
  };
  return defineAsset(key, {
    ...rest,
    columns: DIFFERENCES,
    checks: [
      sqlCheck("no_difference", sql`SELECT * FROM ${self}`, { description: "Both sides say the same of every key." }),
    ],
    body,
  });
}
