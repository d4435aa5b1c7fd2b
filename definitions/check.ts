import type { Sql, TableRef } from "./sql.ts";

/** What a check looks for. Each store writes the SQL. */
export type CheckRule =
  | { readonly kind: "unique" }
  | { readonly kind: "not_null" }
  | { readonly kind: "between"; readonly min: number | string | null; readonly max: number | string | null }
  | { readonly kind: "accepted_values"; readonly values: readonly (string | number)[] }
  | { readonly kind: "matches"; readonly pattern: string }
  | { readonly kind: "row_count"; readonly min: number | null; readonly max: number | null }
  | { readonly kind: "references"; readonly to: TableRef; readonly column: string }
  | { readonly kind: "sql"; readonly bad: Sql };

/** Something that must hold for the rows of an asset, looked at before they are published. */
export interface Check<out N extends string = string> {
  readonly name: string;
  readonly columns: readonly N[];
  readonly rule: CheckRule;
  readonly description: string;
  /** `ERROR` stops the publish: the old rows stay. `WARN` is shown, and the rows are published. */
  readonly severity: "ERROR" | "WARN";
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
  const text = [min === null ? "" : `at least ${min}`, max === null ? "" : `at most ${max}`].filter(Boolean);
  return check("between", [column], { kind: "between", min, max }, `${column} is ${text.join(" and ")}.`);
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

/** The table has at least `min` and at most `max` rows. */
export function rowCount(bounds: { readonly min?: number; readonly max?: number }): Check<never> {
  const { min = null, max = null } = bounds;
  const text = [min === null ? "" : `at least ${min}`, max === null ? "" : `at most ${max}`].filter(Boolean);
  return check("row_count", [], { kind: "row_count", min, max }, `The table has ${text.join(" and ")} rows.`);
}

/** Every value of the column exists in a column of another asset; NULL passes. Adds a dependency on that asset. */
export function references<N extends string, C extends string>(
  column: N,
  to: TableRef & { readonly c: { readonly [K in C]: unknown } },
  target: NoInfer<C>,
): Check<N> {
  const ref: TableRef = { kind: "table", assetKey: (to as TableRef | undefined)?.assetKey ?? "" };
  return check(
    "references",
    [column],
    { kind: "references", to: ref, column: target },
    `${column} exists in ${ref.assetKey}.${target}.`,
  );
}

/** A query of your own that returns the bad rows; `${self}` stands for the rows about to be published. */
export function sqlCheck(name: string, bad: Sql, options: { readonly description?: string } = {}): Check<never> {
  return { name, columns: [], rule: { kind: "sql", bad }, description: options.description ?? name, severity: "ERROR" };
}

/** Shows the check's verdict but publishes the rows all the same. */
export function warn<N extends string>(inner: Check<N>): Check<N> {
  return { ...inner, severity: "WARN" };
}

/** Gives the check another name than its default, which is its kind and its columns. */
export function named<N extends string>(name: string, inner: Check<N>): Check<N> {
  return { ...inner, name };
}

function check<N extends string>(kind: string, columns: readonly N[], rule: CheckRule, description: string): Check<N> {
  // Dagster allows letters, digits and underscores in a check's name.
  const name = [kind, ...columns].join("_").replaceAll(/[^A-Za-z0-9_]/g, "_");
  return { name, columns, rule, description, severity: "ERROR" };
}

function list(columns: readonly string[]): string {
  return columns.join(", ");
}
