import type { Chart } from "../../definitions/superset/chart.ts";
import { type ChartDataset, type ChartForm, chartForm, grainDuration, SERIES_ROWS } from "./chart_form.ts";
import type { ExtraFormData } from "./native_filter.ts";

/** A question to Superset: what `POST /chart/data` takes, and what a chart keeps as its `query_context`. */
export interface QueryContext {
  readonly datasource: { readonly id: number; readonly type: "table" };
  readonly force: boolean;
  readonly queries: readonly Query[];
  readonly form_data: Readonly<Record<string, unknown>>;
  readonly result_format: "json";
  readonly result_type: "full";
}

/** One query of a {@link QueryContext}, as far as it is changed here. */
export interface Query extends Readonly<Record<string, unknown>> {
  readonly filters: readonly object[];
}

/**
 * The question that Superset's own page asks for a chart, without the filters of a dashboard.
 *
 * It must be the same to the last list: Superset finds an answer in its cache by a hash of the whole query, so a warm
 * answer to another question would help no reader. A test with a browser holds it.
 */
export function chartQuery(chart: Chart, dataset: ChartDataset): QueryContext {
  const form = chartForm(chart, dataset);
  return question(dataset.id, form, {
    ...baseQuery(dataset.timeColumn === null ? [] : [temporal(dataset.timeColumn)]),
    ...partsOf(chart),
  });
}

/** The question that the page asks for the list of values of a filter. */
export function filterQuery(datasetId: number, column: string): QueryContext {
  const form = { datasource: `${datasetId}__table`, viz_type: "filter_select", groupby: [column] };
  return question(datasetId, form, {
    ...baseQuery([]),
    columns: [column],
    metrics: [],
    orderby: [[column, true]],
    row_limit: FILTER_VALUES,
  });
}

/** A stored question with what the filters of a dashboard add to it, in the order of the filters. */
export function withFilters(context: QueryContext, extras: readonly ExtraFormData[]): QueryContext {
  const added = extras.flatMap(({ filters = [] }) => filters);
  const range = extras.findLast((extra) => extra.time_range !== undefined)?.time_range;
  return {
    ...context,
    queries: context.queries.map((query) => ({
      ...(range === undefined ? {} : { time_range: range }),
      ...query,
      filters: [...added, ...query.filters],
    })),
  };
}

/** What Superset's page asks for at most. */
const FILTER_VALUES = 1_000;

function question(datasetId: number, form: ChartForm, query: Query): QueryContext {
  return {
    datasource: { id: datasetId, type: "table" },
    force: false,
    queries: [query],
    form_data: form,
    result_format: "json",
    result_type: "full",
  };
}

function baseQuery(filters: readonly object[]): Query {
  return {
    filters,
    extras: { having: "", where: "" },
    applied_time_extras: {},
    annotation_layers: [],
    series_limit: 0,
    group_others_when_limit_reached: false,
    order_desc: true,
    url_params: {},
    custom_params: {},
    custom_form_data: {},
  };
}

function temporal(column: string): object {
  return { col: column, op: "TEMPORAL_RANGE", val: "No filter" };
}

function partsOf({ kind, metrics, by, time, limit }: Chart): Readonly<Record<string, unknown>> {
  const [metric = ""] = metrics;
  const orderby = [[metric, false]];
  switch (kind) {
    case "big_number":
      return { columns: [], metrics };
    case "time_series": {
      const { column = "", grain = "day" } = time ?? {};
      return {
        columns: [{ timeGrain: grainDuration(grain), ...axis(column) }, ...by],
        metrics,
        orderby,
        extras: { time_grain_sqla: grainDuration(grain), having: "", where: "" },
        row_limit: SERIES_ROWS,
        series_columns: by,
        series_limit: limit,
        series_limit_metric: metric,
        time_offsets: [],
        post_processing: [
          pivot(column, by, metrics),
          // With one metric a line is named after its value alone.
          ...(by.length > 0 && metrics.length === 1
            ? [{ operation: "rename", options: { columns: { [metric]: null }, level: 0, inplace: true } }]
            : []),
          { operation: "flatten" },
        ],
      };
    }
    case "bar": {
      const [column = ""] = by;
      return {
        columns: [axis(column)],
        metrics,
        orderby,
        row_limit: limit,
        series_columns: [],
        time_offsets: [],
        post_processing: [
          pivot(column, [], metrics),
          { operation: "sort", options: { by: metric, ascending: false } },
          { operation: "flatten" },
        ],
      };
    }
    case "pie":
      return {
        columns: by,
        metrics,
        orderby,
        row_limit: limit,
        post_processing: [
          { operation: "contribution", options: { columns: [metric], rename_columns: [`${metric}__contribution`] } },
        ],
      };
    case "table":
      return {
        columns: by,
        metrics,
        orderby,
        row_limit: limit,
        series_limit_metric: metric,
        post_processing: [],
        time_offsets: [],
      };
  }
}

function axis(column: string): object {
  return {
    columnType: "BASE_AXIS",
    sqlExpression: column,
    label: column,
    expressionType: "SQL",
    isColumnReference: true,
  };
}

function pivot(index: string, columns: readonly string[], metrics: readonly string[]): object {
  const aggregates = Object.fromEntries(metrics.map((name) => [name, { operator: "mean" }]));
  return { operation: "pivot", options: { index: [index], columns, aggregates, drop_missing_columns: false } };
}
