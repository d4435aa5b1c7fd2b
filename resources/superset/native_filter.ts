import type { DashboardFilter } from "../../definitions/superset/dashboard_filter.ts";

/** What a filter adds to the queries of the charts in its scope. */
export interface ExtraFormData {
  readonly filters?: readonly { readonly col: string; readonly op: "IN"; readonly val: readonly string[] }[];
  readonly time_range?: string;
}

/** What the filter does before a reader touches it. */
function defaultOf(filter: DashboardFilter): ExtraFormData {
  if (filter.kind === "time") return filter.default === NO_FILTER ? {} : { time_range: filter.default };
  return filter.default.length === 0 ? {} : { filters: [{ col: filter.column, op: "IN", val: filter.default }] };
}

/** A filter as Superset keeps it in a dashboard (`native_filter_configuration`). */
export function nativeFilter(
  filter: DashboardFilter,
  datasetId: number | undefined,
  excludedCharts: readonly number[],
): Readonly<Record<string, unknown>> {
  const shared = {
    id: nativeFilterId(filter),
    name: filter.title,
    type: "NATIVE_FILTER",
    description: "",
    cascadeParentIds: [],
    scope: { rootPath: ["ROOT_ID"], excluded: excludedCharts },
  };
  const extraFormData = defaultOf(filter);
  if (filter.kind === "time") {
    const filterState = filter.default === NO_FILTER ? {} : { value: filter.default };
    return {
      ...shared,
      filterType: "filter_time",
      targets: [{}],
      controlValues: { enableEmptyFilter: false },
      defaultDataMask: { extraFormData, filterState, ownState: {} },
    };
  }
  const chosen = filter.default.length === 0 ? {} : { label: filter.default.join(", "), value: filter.default };
  return {
    ...shared,
    filterType: "filter_select",
    targets: [{ datasetId, column: { name: filter.column } }],
    controlValues: {
      enableEmptyFilter: false,
      defaultToFirstItem: false,
      multiSelect: true,
      searchAllOptions: false,
      inverseSelection: false,
    },
    defaultDataMask: { extraFormData, filterState: chosen, ownState: {} },
  };
}

/** Superset wants this beginning of it. */
function nativeFilterId({ name }: DashboardFilter): string {
  return `NATIVE_FILTER-${name}`;
}

/** Superset's word for all of time. */
const NO_FILTER = "No filter";
