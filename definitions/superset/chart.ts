import type { Asset, Name, Shape } from "../asset.ts";
import type { TableRef } from "../sql.ts";
import type { TimeName } from "./dataset.ts";

/** The charts that can be declared. Each is proven in a browser. */
export const CHART_KINDS = ["big_number", "time_series", "bar", "pie", "table"] as const;
/** @see CHART_KINDS */
export type ChartKind = (typeof CHART_KINDS)[number];

/** How wide the steps of a time axis are. */
export const GRAINS = ["hour", "day", "week", "month", "quarter", "year"] as const;
/** @see GRAINS */
export type Grain = (typeof GRAINS)[number];

/** Columns of a dashboard's grid. */
export const GRID_COLUMNS = 12;

/** A chart of a dashboard, made by {@link bigNumber}, {@link timeSeries}, {@link bar}, {@link pie} or {@link table}. */
export interface Chart {
  readonly kind: ChartKind;
  /** Names it within its dashboard. Its UUID comes from it, so another name is another chart. */
  readonly name: string;
  readonly title: string;
  readonly description: string | null;
  readonly dataset: TableRef;
  /** Names of metrics of the dataset. */
  readonly metrics: readonly string[];
  /** Columns whose values are compared. */
  readonly by: readonly string[];
  /** Column and step of the time axis. */
  readonly time: { readonly column: string; readonly grain: Grain } | null;
  /** At most so many groups, those with the most of the first metric. */
  readonly limit: number;
  /** How numbers are written, in the syntax of d3-format. */
  readonly format: string;
  /** Columns of the grid, 1 to 12. */
  readonly width: number;
  /** Rows of the grid, of 8 pixels. */
  readonly height: number;
}

/** What every chart may say. */
interface Shared<S extends Shape, M extends string> {
  /** An asset with a `superset` block. */
  readonly dataset: Asset<S, M>;
  /** @default the name, in words */
  readonly title?: string | undefined;
  /** Shown beside the title. */
  readonly description?: string | undefined;
  /** How numbers are written, in the syntax of d3-format: `"$,.2f"`. @default "SMART_NUMBER", such as 4.59M */
  readonly format?: string | undefined;
  /** Columns of the dashboard's grid, 1 to 12. */
  readonly width?: number | undefined;
  /** Rows of the grid, of 8 pixels each. */
  readonly height?: number | undefined;
}

/** Options of {@link bigNumber}. */
export interface BigNumberOptions<S extends Shape, M extends string> extends Shared<S, M> {
  readonly metric: NoInfer<M>;
}

/** One metric, over all rows, in large figures. @param name names it within its dashboard */
export function bigNumber<S extends Shape, M extends string>(name: string, options: BigNumberOptions<S, M>): Chart {
  return chart("big_number", name, options, { metrics: [options.metric], width: 3, height: 20 });
}

/** Options of {@link timeSeries}. */
export interface TimeSeriesOptions<S extends Shape, M extends string> extends Shared<S, M> {
  readonly metrics: readonly [NoInfer<M>, ...NoInfer<M>[]];
  /** A column of days or instants. */
  readonly time: NoInfer<TimeName<S>>;
  /** @default "day" */
  readonly grain?: Grain | undefined;
  /** A line for each value of this column. */
  readonly by?: NoInfer<Name<S>> | undefined;
  /** Lines at most. @default 10 */
  readonly limit?: number | undefined;
}

/** Metrics over time, as lines. @param name names it within its dashboard */
export function timeSeries<S extends Shape, M extends string>(name: string, options: TimeSeriesOptions<S, M>): Chart {
  const { metrics, by, time, grain = "day" } = options;
  const rest = { metrics, by: by === undefined ? [] : [by], time: { column: time, grain }, limit: options.limit };
  return chart("time_series", name, options, { ...rest, width: 8, height: 50 });
}

/** Options of {@link bar}. */
export interface BarOptions<S extends Shape, M extends string> extends Shared<S, M> {
  readonly metrics: readonly [NoInfer<M>, ...NoInfer<M>[]];
  /** A group of bars for each value of this column. */
  readonly by: NoInfer<Name<S>>;
  /** Groups at most, those with the most of the first metric. @default 10 */
  readonly limit?: number | undefined;
}

/** Metrics of the values of a column, as bars. @param name names it within its dashboard */
export function bar<S extends Shape, M extends string>(name: string, options: BarOptions<S, M>): Chart {
  const { metrics, by, limit } = options;
  return chart("bar", name, options, { metrics, by: [by], limit, width: 6, height: 50 });
}

/** Options of {@link pie}. */
export interface PieOptions<S extends Shape, M extends string> extends Shared<S, M> {
  readonly metric: NoInfer<M>;
  /** A slice for each value of this column. */
  readonly by: NoInfer<Name<S>>;
  /** Slices at most, the largest ones. @default 10 */
  readonly limit?: number | undefined;
}

/** The shares of the values of a column in a metric. @param name names it within its dashboard */
export function pie<S extends Shape, M extends string>(name: string, options: PieOptions<S, M>): Chart {
  const { metric, by, limit } = options;
  return chart("pie", name, options, { metrics: [metric], by: [by], limit, width: 4, height: 50 });
}

/** Options of {@link table}. */
export interface TableOptions<S extends Shape, M extends string> extends Shared<S, M> {
  readonly metrics: readonly [NoInfer<M>, ...NoInfer<M>[]];
  /** A row for each combination of values of these columns. */
  readonly by: readonly [NoInfer<Name<S>>, ...NoInfer<Name<S>>[]];
  /** Rows at most, those with the most of the first metric. @default 100 */
  readonly limit?: number | undefined;
}

/** Metrics of the combinations of values of some columns, as a table. @param name names it within its dashboard */
export function table<S extends Shape, M extends string>(name: string, options: TableOptions<S, M>): Chart {
  const { metrics, by, limit = 100 } = options;
  return chart("table", name, options, { metrics, by, limit, width: 6, height: 50 });
}

/** What a chart of a kind sets by itself. */
interface Parts {
  readonly metrics: readonly string[];
  readonly by?: readonly string[];
  readonly time?: Chart["time"];
  readonly limit?: number | undefined;
  readonly width: number;
  readonly height: number;
}

function chart(
  kind: ChartKind,
  name: string,
  options: Omit<Shared<Shape, string>, "dataset"> & { readonly dataset: TableRef },
  parts: Parts,
): Chart {
  return {
    kind,
    name,
    title: options.title ?? inWords(name),
    description: options.description ?? null,
    dataset: refTo(options.dataset),
    metrics: parts.metrics,
    by: parts.by ?? [],
    time: parts.time ?? null,
    limit: parts.limit ?? 10,
    format: options.format ?? "SMART_NUMBER",
    width: options.width ?? parts.width,
    height: options.height ?? parts.height,
  };
}

/** Undefined comes from an import cycle: it is reported with the dashboard's other faults. */
export function refTo(dataset: TableRef | undefined): TableRef {
  return { kind: "table", assetKey: dataset?.assetKey ?? "" };
}

/** `revenue_by_week` → `Revenue by week`. */
export function inWords(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
