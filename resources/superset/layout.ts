import { GRID_COLUMNS } from "../../definitions/superset/chart.ts";

/** A chart on the grid. */
export interface PlacedChart {
  /** Superset's number of it. */
  readonly id: number;
  readonly uuid: string;
  readonly title: string;
  /** Columns of the grid. */
  readonly width: number;
  /** Rows of the grid. */
  readonly height: number;
}

/** Charts side by side, as many as fit into the grid's columns; in the order in which they were declared. */
export function rowsOf<C extends { readonly width: number }>(charts: readonly C[]): C[][] {
  const rows: C[][] = [];
  let free = 0;
  for (const chart of charts) {
    const row = rows.at(-1);
    if (row === undefined || chart.width > free) {
      rows.push([chart]);
      free = GRID_COLUMNS - chart.width;
    } else {
      row.push(chart);
      free -= chart.width;
    }
  }
  return rows;
}

/** Where everything of a dashboard stands, as Superset keeps it (`position_json`). */
export function layoutOf(title: string, charts: readonly PlacedChart[]): Readonly<Record<string, unknown>> {
  const rows = rowsOf(charts);
  const rowId = (index: number): string => `ROW-${index + 1}`;
  const parents = ["ROOT_ID", "GRID_ID"];
  return {
    DASHBOARD_VERSION_KEY: "v2",
    ROOT_ID: { type: "ROOT", id: "ROOT_ID", children: ["GRID_ID"] },
    GRID_ID: { type: "GRID", id: "GRID_ID", children: rows.map((_, index) => rowId(index)), parents: ["ROOT_ID"] },
    HEADER_ID: { type: "HEADER", id: "HEADER_ID", meta: { text: title } },
    ...Object.fromEntries(
      rows.flatMap((row, index): [string, unknown][] => [
        [
          rowId(index),
          {
            type: "ROW",
            id: rowId(index),
            children: row.map(({ uuid }) => `CHART-${uuid}`),
            parents,
            meta: { background: "BACKGROUND_TRANSPARENT" },
          },
        ],
        ...row.map(({ id, uuid, title: sliceName, width, height }): [string, unknown] => [
          `CHART-${uuid}`,
          {
            type: "CHART",
            id: `CHART-${uuid}`,
            children: [],
            parents: [...parents, rowId(index)],
            meta: { chartId: id, uuid, width, height, sliceName },
          },
        ]),
      ]),
    ),
  };
}
