/** How a metric is named and shown. */
export interface MetricOptions {
  /** @default its name */
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  /** How its numbers are written, in D3's language, such as `",.2f"` or `"$,.2f"`. @default Superset's own choice */
  readonly format?: string | undefined;
}

/**
 * A number that Superset computes over the rows of a dataset.
 *
 * `N` are the names of the columns that it reads; `Num` those of them that must hold numbers.
 */
export interface Metric<out N extends string = string, out Num extends string = string> extends MetricOptions {
  readonly kind: "metric";
  /** SQL around columns: `strings[0]`, the first column quoted, `strings[1]`, and so on. */
  readonly strings: readonly string[];
  readonly columns: readonly N[];
  /** Those of the columns that must hold numbers. */
  readonly numbers: readonly Num[];
}

/** The sum of a column of numbers. */
export function sum<const N extends string>(column: N, options: MetricOptions = {}): Metric<N, N> {
  return aggregate("SUM(", column, [column], options);
}

/** The average of a column of numbers. */
export function average<const N extends string>(column: N, options: MetricOptions = {}): Metric<N, N> {
  return aggregate("AVG(", column, [column], options);
}

/** The least value of a column. */
export function minimum<const N extends string>(column: N, options: MetricOptions = {}): Metric<N, never> {
  return aggregate("MIN(", column, [], options);
}

/** The greatest value of a column. */
export function maximum<const N extends string>(column: N, options: MetricOptions = {}): Metric<N, never> {
  return aggregate("MAX(", column, [], options);
}

/** How many rows there are. */
export function count(options: MetricOptions = {}): Metric<never, never> {
  return { ...options, kind: "metric", strings: ["COUNT(*)"], columns: [], numbers: [] };
}

/** How many different values a column has; NULL is none. */
export function countDistinct<const N extends string>(column: N, options: MetricOptions = {}): Metric<N, never> {
  return aggregate("COUNT(DISTINCT ", column, [], options);
}

/**
 * Any aggregate, in the SQL of the asset's store. What stands between the braces are names of columns, which the
 * compiler checks and the runtime quotes.
 *
 * @example
 * ```ts
 * metrics: { revenue_per_basket: formula`SUM(${"revenue"}) / NULLIF(COUNT(DISTINCT ${"basket_id"}), 0)` }
 * ```
 * A label or a format is added as to any object: `{ ...formula`…`, format: "$,.2f" }`.
 */
export function formula<const N extends string>(
  strings: TemplateStringsArray,
  ...columns: readonly N[]
): Metric<N, never> {
  return { kind: "metric", strings: [...strings], columns, numbers: [] };
}

function aggregate<N extends string, Num extends string>(
  opening: string,
  column: N,
  numbers: readonly Num[],
  options: MetricOptions,
): Metric<N, Num> {
  return { ...options, kind: "metric", strings: [opening, ")"], columns: [column], numbers };
}
