import type { z } from "zod";
import type { Log } from "./body.ts";
import { type ColumnType, readColumn } from "./column_type.ts";
import type { Duration } from "./duration.ts";
import type { Sql, TableRef } from "./sql.ts";

/** Publishes that a drift is measured against, unless the check says otherwise. */
const LAST_PUBLISHES = 7;
/** Failing rows that are kept, unless the check says otherwise. */
const KEPT_ROWS = 1_000;

/** What a check looks for. Each store writes the SQL. */
export type CheckRule =
  | { readonly kind: "unique" }
  | { readonly kind: "not_null" }
  | { readonly kind: "between"; readonly min: number | string | null; readonly max: number | string | null }
  | { readonly kind: "accepted_values"; readonly values: readonly (string | number)[] }
  | { readonly kind: "matches"; readonly pattern: string }
  | { readonly kind: "length"; readonly min: number | null; readonly max: number | null }
  | { readonly kind: "row_count"; readonly min: number | null; readonly max: number | null }
  | { readonly kind: "row_count_drift"; readonly max: number; readonly last: number }
  | { readonly kind: "null_rate_drift"; readonly max: number; readonly last: number }
  | { readonly kind: "recent"; readonly maxAge: Duration }
  | { readonly kind: "references"; readonly to: TableRef; readonly column: string }
  | {
      readonly kind: "same_sum";
      readonly to: TableRef;
      readonly column: string;
      /** Of the other column; `null` where it is not known. */
      readonly type: ColumnType | null;
      readonly tolerance: number | string;
      readonly where: Sql | null;
    }
  | { readonly kind: "sql"; readonly bad: Sql }
  | { readonly kind: "typescript"; readonly run: RowsCheck; readonly reads: readonly TableRef[] };

/** A row as a check shows it: columns to values. */
export type BadRow = Readonly<Record<string, unknown>>;

/** A check of your own in TypeScript. Returns the bad rows, or what is to be shown of them; none: it passes. */
export type RowsCheck = (context: RowsCheckContext) => Promise<readonly BadRow[]> | readonly BadRow[];

/** What a {@link RowsCheck} is given. */
export interface RowsCheckContext {
  /**
   * Runs a query, in which `${self}` stands for the rows about to be published, and returns its rows: values as text, as
   * the store writes it, NULL as `null`. At most 100,000 rows: let the store count and add. A query that fails fails the
   * check, whether the function catches it or not.
   */
  readonly query: (query: Sql) => Promise<readonly Readonly<Record<string, string | null>>[]>;
  /** Aborted when the run is terminated. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Something that must hold for the rows of an asset, looked at before they are published. */
export interface Check<out N extends string = string> {
  readonly name: string;
  readonly columns: readonly N[];
  readonly rule: CheckRule;
  readonly description: string;
  /** `ERROR` stops the publish: the old rows stay. `WARN` is shown, and the rows are published. */
  readonly severity: "ERROR" | "WARN";
  /** It passes as long as at most this share of the rows, from 0 to 1, breaks the rule. */
  readonly maxShare: number;
  /** Failing rows that are kept in a table; 0: none. */
  readonly keptRows: number;
}

/** Whether a rule is about all rows together, so that it is held against each partition by itself. */
export function isAboutTable({ rule: { kind } }: Check): boolean {
  return ["row_count", "row_count_drift", "null_rate_drift", "recent", "same_sum"].includes(kind);
}

/** No two rows have the same values in these columns. Rows with a NULL among them are not compared. */
export function unique<N extends string>(...columns: readonly [N, ...N[]]): Check<N> {
  return check("unique", columns, { kind: "unique" }, `No two rows share ${list(columns)}.`);
}

/** None of these columns is NULL. Columns that are not `.nullable()` are held to it anyway. */
export function notNull<N extends string>(...columns: readonly [N, ...N[]]): Check<N> {
  return check("not_null", columns, { kind: "not_null" }, `${list(columns)} never NULL.`);
}

/**
 * The column lies between two bounds, both included; NULL passes. Write the bounds of decimals, dates and timestamps as
 * strings.
 */
export function between<N extends string>(
  column: N,
  bounds: { readonly min?: number | string; readonly max?: number | string },
): Check<N> {
  const { min = null, max = null } = bounds;
  return check("between", [column], { kind: "between", min, max }, `${column} is ${range(min, max)}.`);
}

/** The column holds one of these values; NULL passes. */
export function acceptedValues<N extends string>(column: N, values: readonly (string | number)[]): Check<N> {
  return check(
    "accepted_values",
    [column],
    { kind: "accepted_values", values },
    `${column} is one of ${values.join(", ")}.`,
  );
}

/** The whole column matches a regular expression, in the syntax that all the stores share (RE2); NULL passes. */
export function matches<N extends string>(column: N, pattern: string): Check<N> {
  return check("matches", [column], { kind: "matches", pattern }, `${column} matches ${pattern}`);
}

/** The text of the column has at least `min` and at most `max` characters (Unicode code points); NULL passes. */
export function textLength<N extends string>(
  column: N,
  bounds: { readonly min?: number; readonly max?: number },
): Check<N> {
  const { min = null, max = null } = bounds;
  return check("length", [column], { kind: "length", min, max }, `${column} has ${range(min, max)} characters.`);
}

/** The table has at least `min` and at most `max` rows. */
export function rowCount(bounds: { readonly min?: number; readonly max?: number }): Check<never> {
  const { min = null, max = null } = bounds;
  return check("row_count", [], { kind: "row_count", min, max }, `The table has ${range(min, max)} rows.`);
}

/**
 * The number of rows is at most the share `max` away from the median of the last publishes: 0.5 is from half of it to
 * one and a half times as many. With partitions it holds for each of them, against the rows of one. Passes where nothing
 * was published in the same way yet.
 *
 * @param drift.last Publishes to compare with, 1 to 100. @default 7
 */
export function rowCountDrift(drift: { readonly max: number; readonly last?: number }): Check<never> {
  const { max, last = LAST_PUBLISHES } = drift;
  const text = `The number of rows is within ${percent(max)} of the median of the last ${last} publishes.`;
  return check("row_count_drift", [], { kind: "row_count_drift", max, last }, text);
}

/**
 * The share of NULL in the column is at most `max` away from its median in the last publishes: with 0.05 and a median of
 * 10 %, from 5 % to 15 %. Passes on an empty table, and where nothing was published with this check yet.
 *
 * @param drift.last Publishes to compare with, 1 to 100. @default 7
 */
export function nullRateDrift<N extends string>(
  column: N,
  drift: { readonly max: number; readonly last?: number },
): Check<N> {
  const { max, last = LAST_PUBLISHES } = drift;
  const text = `NULL in ${column} is within ${percent(max)} of the rows of its median in the last ${last} publishes.`;
  return check("null_rate_drift", [column], { kind: "null_rate_drift", max, last }, text);
}

/**
 * The latest value of a column of days or instants is at most so old: seen from now, or from the end of a partition that
 * is over. NULL and values in the future do not count; without any value it fails. A day is as old as its midnight in UTC.
 */
export function recent<N extends string>(column: N, maxAge: Duration): Check<N> {
  return check("recent", [column], { kind: "recent", maxAge }, `The latest ${column} is at most ${maxAge} old.`);
}

/** Every value of the column exists in a column of another asset; NULL passes. Adds a dependency on that asset. */
export function references<N extends string, C extends string>(
  column: N,
  to: TableRef & { readonly c: { readonly [K in C]: unknown } },
  target: NoInfer<C>,
): Check<N> {
  const ref = refTo(to);
  return check(
    "references",
    [column],
    { kind: "references", to: ref, column: target },
    `${column} exists in ${ref.assetKey}.${target}.`,
  );
}

/**
 * The sum of the column is that of a column of another asset, which may have another name and another type of numbers;
 * NULL counts as 0. Adds a dependency on that asset.
 *
 * @param options.tolerance How far the sums may be apart, as text where it must be exact. Sums of doubles depend on the
 *   order of the rows. @default 0
 * @param options.where Which rows of the other asset count. With partitions it must say so, by `${window.start}`,
 *   `${window.end}` and `${keys}`.
 */
export function sameSum<N extends string, C extends string>(
  column: N,
  to: TableRef & { readonly c: { readonly [K in C]: unknown }; readonly columns?: z.ZodObject },
  target: NoInfer<C>,
  options: { readonly tolerance?: number | string; readonly where?: Sql } = {},
): Check<N> {
  const ref = refTo(to);
  const { tolerance = 0, where = null } = options;
  const other = (to as typeof to | undefined)?.columns?.shape[target] as z.ZodType | undefined;
  const read = other === undefined ? undefined : readColumn(target, other);
  const type = read?.ok === true ? read.column.type : null;
  const about = String(tolerance) === "0" ? "" : `, give or take ${tolerance}`;
  return check(
    "same_sum",
    [column],
    { kind: "same_sum", to: ref, column: target, type, tolerance, where },
    `The sum of ${column} is that of ${ref.assetKey}.${target}${about}.`,
  );
}

/**
 * A query of your own that returns the bad rows; `${self}` stands for the rows about to be published. With partitions,
 * `${window.start}`, `${window.end}` and `${keys}` are those of the run; where the whole published table is checked, those
 * of all partitions.
 */
export function sqlCheck(name: string, bad: Sql, options: { readonly description?: string } = {}): Check<never> {
  return { ...check("sql", [], { kind: "sql", bad }, options.description ?? name), name };
}

/**
 * A check of your own in TypeScript, which reads the rows about to be published by queries and returns the bad ones.
 *
 * @param options.reads Other assets that its queries read.
 * @example
 * ```ts
 * import { self, sql, tsCheck } from "dagster-typescript";
 *
 * export const balanced = tsCheck("balanced", async ({ query }) => {
 *   const days = await query(sql`SELECT day, CAST(sum(amount) AS DECIMAL(18, 2)) AS total FROM ${self} GROUP BY day`);
 *   return days.filter(({ total }) => Number(total) !== 0);
 * });
 * ```
 */
export function tsCheck(
  name: string,
  run: RowsCheck,
  options: { readonly description?: string; readonly reads?: readonly TableRef[] } = {},
): Check<never> {
  const reads = (options.reads ?? []).map(refTo);
  return { ...check("typescript", [], { kind: "typescript", run, reads }, options.description ?? name), name };
}

/** Shows the check's verdict but publishes the rows all the same. */
export function warn<N extends string>(inner: Check<N>): Check<N> {
  return { ...inner, severity: "WARN" };
}

/** The check passes as long as at most this share of the rows breaks its rule: 0.01 is one of a hundred. */
export function allow<N extends string>(maxShare: number, inner: Check<N>): Check<N> {
  return { ...inner, maxShare };
}

/**
 * Keeps the rows that fail the check in the table `_dagster_typescript.failed_rows`, as JSON, until the next run of the
 * asset; also where they were not published.
 *
 * @param options.maxRows At most 10,000. @default 1000
 */
export function keepFailedRows<N extends string>(
  inner: Check<N>,
  options: { readonly maxRows?: number } = {},
): Check<N> {
  return { ...inner, keptRows: options.maxRows ?? KEPT_ROWS };
}

/** Gives the check another name than its default, which is its kind and its columns. */
export function named<N extends string>(name: string, inner: Check<N>): Check<N> {
  return { ...inner, name };
}

function check<N extends string>(kind: string, columns: readonly N[], rule: CheckRule, description: string): Check<N> {
  // Dagster allows letters, digits and underscores in a check's name.
  const name = [kind, ...columns].join("_").replaceAll(/[^A-Za-z0-9_]/g, "_");
  return { name, columns, rule, description, severity: "ERROR", maxShare: 0, keptRows: 0 };
}

/** Where an import is undefined, in an import cycle, the key is empty: a fault of the asset. */
function refTo(to: TableRef | undefined): TableRef {
  return { kind: "table", assetKey: to?.assetKey ?? "" };
}

function range(min: number | string | null, max: number | string | null): string {
  return [min === null ? "" : `at least ${min}`, max === null ? "" : `at most ${max}`].filter(Boolean).join(" and ");
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(6))} %`;
}

function list(columns: readonly string[]): string {
  return columns.join(", ");
}
