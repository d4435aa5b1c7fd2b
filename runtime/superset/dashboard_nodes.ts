import { createHash } from "node:crypto";
import type { DefinedAsset } from "../../definitions/asset.ts";
import type { Fault } from "../../definitions/fault.ts";
import type { Chart } from "../../definitions/superset/chart.ts";
import type { DefinedDashboard } from "../../definitions/superset/dashboard.ts";
import type { DashboardFilter } from "../../definitions/superset/dashboard_filter.ts";
import type { Sync } from "../../definitions/superset/dataset.ts";
import { datasetKey, HAND_MADE_KEY, type SupersetNode } from "./nodes.ts";

/** The key of the node that makes a dashboard what it is declared to be. */
export function dashboardKey(name: string): string {
  return `superset/dashboard/${name}`;
}

/** The key of the node that warms a dashboard. */
export function warmKey(name: string): string {
  return `superset/warm/${name}`;
}

/** The dashboard that a node is about, and what the node does; `undefined`: it is no such node. */
export function tryGetDashboardOf(
  key: string,
): { readonly kind: "dashboard" | "warm"; readonly name: string } | undefined {
  const [folder, kind, name, ...rest] = key.split("/");
  if (folder !== "superset" || (kind !== "dashboard" && kind !== "warm")) return undefined;
  return name === undefined || rest.length > 0 ? undefined : { kind, name };
}

/** The keys of the assets that a dashboard shows, sorted. */
export function assetsOf({ options }: DefinedDashboard): string[] {
  const refs = [...options.charts, ...(options.filters ?? []).filter((filter) => filter.kind === "value")];
  return [...new Set(refs.map(({ dataset }) => dataset.assetKey))].sort();
}

/** What is wrong between dashboards and the assets that they show. */
export function dashboardFaults(
  dashboards: readonly DefinedDashboard[],
  assets: ReadonlyMap<string, DefinedAsset>,
  faulty: ReadonlySet<string | null>,
): Fault[] {
  const faults = dashboards.flatMap((dashboard) => [...dashboard.faults]);
  for (const { key, options, position, faults: own } of dashboards) {
    if (own.length > 0) continue;
    const add = (code: Fault["code"], message: string): void => {
      faults.push({ code, asset: key, position, message });
    };
    for (const chart of options.charts) checkChart(chart, assets, faulty, add);
    for (const filter of options.filters ?? []) checkFilter(filter, assets, faulty, add);
  }
  return faults;
}

type Add = (code: Fault["code"], message: string) => void;

/** The compiler holds all of this for TypeScript that is checked; the manifest does without. */
function checkChart(
  { name, dataset, metrics, by, time }: Chart,
  assets: ReadonlyMap<string, DefinedAsset>,
  faulty: ReadonlySet<string | null>,
  add: Add,
): void {
  const asset = findAsset(`chart ${name}`, dataset.assetKey, assets, faulty, add);
  if (asset === undefined) return;
  const known = Object.keys(asset.options.superset?.metrics ?? {});
  for (const metric of metrics)
    if (!known.includes(metric))
      add(
        "unknown_reference",
        `chart ${name} shows metric ${JSON.stringify(metric)}, which ${asset.key} does not have: expected one of ${known.join(", ")}`,
      );
  for (const column of time === null ? by : [...by, time.column]) requireColumn(`chart ${name}`, column, asset, add);
}

function checkFilter(
  filter: DashboardFilter,
  assets: ReadonlyMap<string, DefinedAsset>,
  faulty: ReadonlySet<string | null>,
  add: Add,
): void {
  if (filter.kind !== "value") return;
  const asset = findAsset(`filter ${filter.name}`, filter.dataset.assetKey, assets, faulty, add);
  if (asset !== undefined) requireColumn(`filter ${filter.name}`, filter.column, asset, add);
}

function findAsset(
  where: string,
  key: string,
  assets: ReadonlyMap<string, DefinedAsset>,
  faulty: ReadonlySet<string | null>,
  add: Add,
): DefinedAsset | undefined {
  const asset = assets.get(key);
  if (faulty.has(key)) add("unknown_reference", `${where} shows "${key}", which has a fault`);
  else if (asset === undefined)
    add("unknown_reference", `${where} shows "${key}", which no file under assets/ defines`);
  else if (asset.options.superset === undefined)
    add(
      "unknown_reference",
      `${where} shows "${key}", which is no dataset: give the asset superset: { metrics: { … } }`,
    );
  else return asset;
  return undefined;
}

function requireColumn(where: string, name: string, { key, columns }: DefinedAsset, add: Add): void {
  if (!columns.some((column) => column.name === name))
    add("unknown_column", `${where} names column ${JSON.stringify(name)}, which ${key} does not have`);
}

/** The two nodes of each dashboard, sorted by name. */
export function dashboardNodes(
  dashboards: readonly DefinedDashboard[],
  assets: ReadonlyMap<string, DefinedAsset>,
): SupersetNode[] {
  return dashboards.flatMap((dashboard) => {
    const { name, options, position } = dashboard;
    const shown = assetsOf(dashboard);
    const datasets = shown.map(datasetKey);
    const shared = {
      sync: syncOf(shown.map((key) => assets.get(key)?.options.superset?.sync ?? "onMaterialize")),
      owners: options.owners ?? [],
      codeVersion: createHash("sha256").update(JSON.stringify(options)).digest("hex").slice(0, 16),
      position,
    };
    return [
      {
        ...shared,
        key: dashboardKey(name),
        description: `The dashboard "${options.title}" in Superset, as declared: ${options.description}`,
        deps: datasets,
      },
      {
        ...shared,
        key: warmKey(name),
        description: `Puts the answers of all charts of "${options.title}" into Superset's cache, and proves that readers get them from there.`,
        deps: [dashboardKey(name), ...datasets],
      },
    ];
  });
}

/** As often as the most eager of its datasets. */
function syncOf(modes: readonly Sync[]): Sync {
  return (["onMaterialize", "scheduled"] as const).find((mode) => modes.includes(mode)) ?? "manual";
}

/** The node that lists the dashboards that people made, after all datasets; none where there are none. */
export function handMadeNodes(datasets: readonly SupersetNode[]): SupersetNode[] {
  const [first] = datasets;
  if (first === undefined) return [];
  return [
    {
      key: HAND_MADE_KEY,
      description:
        "Lists the dashboards that people made in Superset. They stand in the graph once definitions are loaded again.",
      deps: datasets.map(({ key }) => key),
      sync: syncOf(datasets.map(({ sync }) => sync)),
      owners: [],
      codeVersion: "1",
      position: first.position,
    },
  ];
}
