import type { Chart, ChartKind, Grain } from "../../definitions/superset/chart.ts";

/** Superset's own name of each kind of chart. */
const VIZ_TYPES: Readonly<Record<ChartKind, string>> = {
  big_number: "big_number_total",
  time_series: "echarts_timeseries_line",
  bar: "echarts_timeseries_bar",
  pie: "pie",
  table: "table",
};

/** ISO 8601 durations, which Superset names its time grains by. */
const GRAIN_DURATIONS: Readonly<Record<Grain, string>> = {
  hour: "PT1H",
  day: "P1D",
  week: "P1W",
  month: "P1M",
  quarter: "P3M",
  year: "P1Y",
};

/** Points of a line chart at most, as Superset has it by default. */
export const SERIES_ROWS = 10_000;

/** What a chart needs to know of its dataset. */
export interface ChartDataset {
  /** Superset's number of it. */
  readonly id: number;
  /** The column that time filters look at; `null` where the dataset has none. */
  readonly timeColumn: string | null;
}

/** The settings of a chart, as Superset keeps them. */
export interface ChartForm extends Readonly<Record<string, unknown>> {
  readonly viz_type: string;
  readonly datasource: string;
}

/** Superset's own name of a step of time. */
export function grainDuration(grain: Grain): string {
  return GRAIN_DURATIONS[grain];
}

/** The settings of a chart in Superset's own words (`params`, also called form data). */
export function chartForm(chart: Chart, dataset: ChartDataset): ChartForm {
  return {
    datasource: `${dataset.id}__table`,
    viz_type: VIZ_TYPES[chart.kind],
    ...partsOf(chart),
    // Takes the place of the dashboard's time filter; without it such a filter has nothing to hold on to.
    adhoc_filters:
      dataset.timeColumn === null
        ? []
        : [
            {
              clause: "WHERE",
              expressionType: "SIMPLE",
              subject: dataset.timeColumn,
              operator: "TEMPORAL_RANGE",
              comparator: "No filter",
            },
          ],
    extra_form_data: {},
  };
}

function partsOf({ kind, metrics, by, time, limit, format }: Chart): Readonly<Record<string, unknown>> {
  const [metric] = metrics;
  switch (kind) {
    case "big_number":
      return { metric, y_axis_format: format, header_font_size: 0.5, subheader_font_size: 0.15 };
    case "time_series":
      return {
        x_axis: time?.column,
        time_grain_sqla: time === null ? undefined : grainDuration(time.grain),
        metrics,
        groupby: by,
        limit,
        timeseries_limit_metric: metric,
        order_desc: true,
        row_limit: SERIES_ROWS,
        y_axis_format: format,
        x_axis_time_format: "smart_date",
        show_legend: metrics.length > 1 || by.length > 0,
        rich_tooltip: true,
        truncateXAxis: true,
      };
    case "bar":
      return {
        x_axis: by[0],
        metrics,
        groupby: [],
        row_limit: limit,
        order_desc: true,
        x_axis_sort: metric,
        x_axis_sort_asc: false,
        y_axis_format: format,
        orientation: "vertical",
        show_legend: metrics.length > 1,
        rich_tooltip: true,
      };
    case "pie":
      return {
        groupby: by,
        metric,
        row_limit: limit,
        sort_by_metric: true,
        number_format: format,
        label_type: "percent",
        show_labels: true,
        // Beside the pie there is no room in a third of a page.
        labels_outside: false,
        show_legend: true,
        date_format: "smart_date",
      };
    case "table":
      return {
        query_mode: "aggregate",
        groupby: by,
        metrics,
        all_columns: [],
        percent_metrics: [],
        timeseries_limit_metric: metric,
        order_desc: true,
        row_limit: limit,
        server_page_length: 10,
        table_timestamp_format: "smart_date",
        column_config: Object.fromEntries(metrics.map((name) => [name, { d3NumberFormat: format }])),
      };
  }
}
