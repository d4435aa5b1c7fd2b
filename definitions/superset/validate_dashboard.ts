import type { Fault, FaultCode, SourcePosition } from "../fault.ts";
import { type Add, checkKey } from "../validate.ts";
import { checkDagsterOptions } from "../validate_options.ts";
import { type Chart, CHART_KINDS, GRAINS, GRID_COLUMNS } from "./chart.ts";
import type { DashboardOptions } from "./dashboard.ts";
import type { DashboardFilter } from "./dashboard_filter.ts";

const NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
/** What Superset's own forms let a person choose. */
const MOST_ROWS = 50_000;
const MOST_AT_ONCE = 32;
/** Stands in for options that cannot be read. */
const UNREADABLE: DashboardOptions = { title: "", description: "", charts: [] };

/** Collects everything that is wrong with a dashboard by itself; its datasets are looked at where all assets are known. */
export function validateDashboard(
  name: string,
  options: DashboardOptions,
  position: SourcePosition,
): { readonly options: DashboardOptions; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const add = (code: FaultCode, message: string): void => {
    faults.push({ code, asset: `dashboards/${name}`, position, message });
  };
  try {
    checkKey(`dashboards/${name}`, add);
    checkDagsterOptions({ description: options.description, owners: options.owners }, add);
    if (typeof options.title !== "string" || options.title.trim() === "")
      add("bad_option", "title: expected what stands above the dashboard");
    if (!Array.isArray(options.charts) || options.charts.length === 0)
      add("bad_option", "charts: expected at least one, such as bigNumber(…)");
    checkNames("charts", options.charts, add);
    checkNames("filters", options.filters ?? [], add);
    for (const [index, chart] of options.charts.entries()) checkChart(`charts[${index}]`, chart, add);
    for (const [index, filter] of (options.filters ?? []).entries()) checkFilter(`filters[${index}]`, filter, add);
    const { concurrency, roles = [] } = options.warm ?? {};
    if (concurrency !== undefined && !isWithin(concurrency, 1, MOST_AT_ONCE))
      add("bad_option", `warm.concurrency: expected a whole number from 1 to ${MOST_AT_ONCE}, got ${concurrency}`);
    if (new Set(roles).size !== roles.length || roles.some((role) => typeof role !== "string" || role.trim() === ""))
      add("bad_option", "warm.roles: expected names of roles of Superset, each once");
    return { options, faults };
  } catch (error) {
    add("bad_option", `cannot read the definition: ${error instanceof Error ? error.message : String(error)}`);
    return { options: UNREADABLE, faults };
  }
}

function checkNames(where: string, named: readonly { readonly name: string }[], add: Add): void {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (!NAME.test(name))
      add(
        "bad_option",
        `${where}: name ${JSON.stringify(name)}: expected a letter, then letters, digits or underscores`,
      );
    if (seen.has(name)) add("bad_option", `${where}: two are called ${JSON.stringify(name)}`);
    seen.add(name);
  }
}

/** The kind is looked at for definitions in plain JavaScript, and those that are cast. */
function checkChart(where: string, chart: Chart, add: Add): void {
  if (!CHART_KINDS.includes(chart.kind)) {
    add(
      "bad_option",
      `${where}: there is no chart ${JSON.stringify(chart.kind)}: expected bigNumber(…), timeSeries(…), bar(…), pie(…) or table(…). Make others in Superset by hand; they stay as they are`,
    );
    return;
  }
  checkDataset(where, chart.dataset, add);
  if (chart.time !== null && !GRAINS.includes(chart.time.grain))
    add("bad_option", `${where}: grain: expected one of ${GRAINS.join(", ")}, got ${JSON.stringify(chart.time.grain)}`);
  if (!isWithin(chart.width, 1, GRID_COLUMNS))
    add("bad_option", `${where}: width: expected a whole number from 1 to ${GRID_COLUMNS}, got ${chart.width}`);
  if (!isWithin(chart.height, 4, 200))
    add("bad_option", `${where}: height: expected a whole number from 4 to 200, got ${chart.height}`);
  if (!isWithin(chart.limit, 1, MOST_ROWS))
    add("bad_option", `${where}: limit: expected a whole number from 1 to ${MOST_ROWS}, got ${chart.limit}`);
}

function checkFilter(where: string, filter: DashboardFilter, add: Add): void {
  if (filter.kind === "value") checkDataset(where, filter.dataset, add);
  else if ((filter.kind as string) !== "time") add("bad_option", `${where}: expected valueFilter(…) or timeFilter(…)`);
}

function checkDataset(where: string, dataset: Partial<Chart["dataset"]> | undefined, add: Add): void {
  if (typeof dataset?.assetKey !== "string" || dataset.assetKey === "")
    add("unknown_reference", `${where}: the dataset is no asset: import it from the file that defines it`);
}

function isWithin(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
