import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { definedAssets, definedDashboards } from "../../definitions/registry.ts";
import type { DefinedDashboard } from "../../definitions/superset/dashboard.ts";
import { metadata, type MetadataMap } from "../../pipes/index.ts";
import { type DashboardDataset, type SyncedDashboard, syncDashboard } from "../../resources/superset/dashboard.ts";
import { tryReadDataset } from "../../resources/superset/dataset/find.ts";
import { startClock } from "../clock.ts";
import { importDefinition } from "../import_definition.ts";
import { locate } from "../locate.ts";
import { escapeMarkdown } from "../redaction.ts";
import { type AssetReport, durationMetadata } from "../report.ts";
import { type ResolvedAsset, resolveAsset } from "../resolve.ts";
import { assetsOf, dashboardFaults, dashboardKey, warmKey } from "./dashboard_nodes.ts";
import { datasetKey } from "./nodes.ts";
import type { SupersetRunContext } from "./run_context.ts";
import { runnable } from "./runnable.ts";
import { sessionOf } from "./session.ts";
import { datasetUuid } from "./wanted.ts";
import { runWarm } from "./warm_node.ts";

/** A dashboard and the assets that it shows. */
interface LoadedDashboard {
  readonly dashboard: DefinedDashboard;
  readonly assets: readonly ResolvedAsset[];
}

/**
 * The node that syncs a dashboard, or warms it, ready to run; `undefined` where no file defines the dashboard.
 *
 * @param kind Which of the two.
 * @param name Of the dashboard.
 */
export async function tryGetDashboardNode(
  kind: "dashboard" | "warm",
  name: string,
  project: string,
): Promise<ResolvedAsset | undefined> {
  const loaded = await load(name, realpathSync(project));
  const [base] = loaded?.assets ?? [];
  if (loaded === undefined || base === undefined) return undefined;
  const { dashboard, assets } = loaded;
  const datasets = assetsOf(dashboard).map(datasetKey);
  const byKey = new Map(assets.map((asset) => [asset.key, asset.defined]));
  const isDashboard = kind === "dashboard";
  return runnable({
    key: isDashboard ? dashboardKey(name) : warmKey(name),
    description: dashboard.options.description,
    deps: isDashboard ? datasets : [dashboardKey(name), ...datasets],
    ...{ store: base.store, position: base.defined.position, codeVersion: base.codeVersion },
    faults: [...assets.flatMap(({ faults }) => faults), ...dashboardFaults([dashboard], byKey, new Set())],
    run: (context) => (isDashboard ? runDashboard(loaded, context) : runWarm(dashboard, context)),
  });
}

async function load(name: string, projectDir: string): Promise<LoadedDashboard | undefined> {
  await importDefinition(`dashboards/${name}`, projectDir, ({ assets }) => assets);
  const dashboard = definedDashboards().find((one) => one.name === name);
  if (dashboard === undefined) return undefined;
  const all = definedAssets().map((asset) => locate(asset, projectDir));
  const files = new Set(all.map(({ position }) => position.file));
  const shown = new Set(assetsOf(dashboard));
  const assets = all.filter(({ key }) => shown.has(key)).map((asset) => resolveAsset(asset, projectDir, files));
  return { dashboard: locate(dashboard, projectDir), assets };
}

async function runDashboard({ dashboard, assets }: LoadedDashboard, context: SupersetRunContext): Promise<AssetReport> {
  const { log, redact } = context;
  const { name, options } = dashboard;
  const clock = startClock();
  const { client } = sessionOf(context);
  const datasets = new Map<string, DashboardDataset>();
  for (const asset of assets) {
    const found = await tryReadDataset(client, datasetUuid(asset));
    if (found === undefined) continue;
    const { timeColumn = null } = asset.defined.options.superset ?? {};
    datasets.set(asset.key, { id: found.id, timeColumn, columns: asset.defined.columns.map((column) => column.name) });
  }
  const { title, charts, filters = [] } = options;
  const synced = await syncDashboard(client, { name, title, charts, filters, datasets });
  log.info(redact(`The dashboard "${title}" is ${synced.change}: ${synced.url}`));
  return {
    dataVersion: versionOf(dashboard, synced, datasets),
    metadata: { ...describe(dashboard, synced, redact), ...durationMetadata({ publish: clock() }) },
    checks: [],
    partitions: null,
  };
}

/** Another one where charts ask another question: what is warm then is not what readers ask. */
function versionOf(
  { options }: DefinedDashboard,
  { id }: SyncedDashboard,
  datasets: ReadonlyMap<string, DashboardDataset>,
): string {
  const text = JSON.stringify([options.charts, options.filters ?? [], id, [...datasets].sort()]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function describe(
  { options }: DefinedDashboard,
  { url, id, change, charts, removed }: SyncedDashboard,
  redact: (text: string) => string,
): MetadataMap {
  const rows = options.charts.map((chart) => {
    const done = charts.find(({ name }) => name === chart.name)?.change ?? "";
    return `| ${escapeMarkdown(redact(chart.title))} | ${chart.kind} | ${chart.dataset.assetKey} | ${done} |`;
  });
  return {
    dashboard: metadata.url(url),
    dashboard_id: metadata.int(id),
    dashboard_change: metadata.text(change),
    charts: metadata.md(["| chart | kind | asset | |", "|---|---|---|---|", ...rows].join("\n")),
    ...(removed.length === 0 ? {} : { charts_removed: metadata.text(redact(removed.join(", "))) }),
  };
}
