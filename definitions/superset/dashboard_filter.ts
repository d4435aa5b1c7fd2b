import type { Asset, Name, Shape } from "../asset.ts";
import type { TableRef } from "../sql.ts";
import { inWords, refTo } from "./chart.ts";

/** A filter of a dashboard, made by {@link valueFilter} or {@link timeFilter}. */
export type DashboardFilter =
  | {
      readonly kind: "value";
      /** Names it within its dashboard. */
      readonly name: string;
      readonly title: string;
      readonly dataset: TableRef;
      readonly column: string;
      /** The values chosen when the dashboard is opened; none: all rows. */
      readonly default: readonly string[];
    }
  | {
      readonly kind: "time";
      readonly name: string;
      readonly title: string;
      /** In the syntax of Superset. */
      readonly default: string;
    };

/** Options of {@link valueFilter}. */
export interface ValueFilterOptions<S extends Shape, M extends string> {
  /** Where the list of values comes from: an asset with a `superset` block. */
  readonly dataset: Asset<S, M>;
  readonly column: NoInfer<Name<S>>;
  /** @default the name, in words */
  readonly title?: string | undefined;
  /** The values chosen when the dashboard is opened. @default none, which is all rows */
  readonly default?: readonly string[] | undefined;
}

/**
 * A choice among the values of a column. It filters the charts whose dataset has a column of that name, and leaves the
 * others alone.
 */
export function valueFilter<S extends Shape, M extends string>(
  name: string,
  options: ValueFilterOptions<S, M>,
): DashboardFilter {
  const { dataset, column, title = inWords(name), default: chosen = [] } = options;
  return { kind: "value", name, title, dataset: refTo(dataset), column, default: chosen };
}

/**
 * A stretch of time. It filters the charts whose dataset has a `timeColumn`, by that column.
 *
 * @param options.default `"2017-01-01 : 2018-01-01"`, the end not included, or words such as `"Last month"`, which
 *   Superset counts from now. Default: `"No filter"`.
 */
export function timeFilter(
  name: string,
  options: { readonly title?: string | undefined; readonly default?: string | undefined } = {},
): DashboardFilter {
  return { kind: "time", name, title: options.title ?? inWords(name), default: options.default ?? "No filter" };
}
