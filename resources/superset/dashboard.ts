import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { ProjectError } from "../../definitions/project_error.ts";
import type { Chart } from "../../definitions/superset/chart.ts";
import type { DashboardFilter } from "../../definitions/superset/dashboard_filter.ts";
import { type ChartChange, type OwnChart, syncChart } from "./chart.ts";
import type { ChartDataset } from "./chart_form.ts";
import type { SupersetClient } from "./client/client.ts";
import { SupersetError, SupersetNotFoundError } from "./client/errors.ts";
import { inTurns } from "./in_turns.ts";
import { layoutOf } from "./layout.ts";
import { nativeFilter } from "./native_filter.ts";
import { supersetUuid } from "./uuid.ts";

/** A dataset, as the charts and filters of a dashboard need to know it. */
export interface DashboardDataset extends ChartDataset {
  readonly columns: readonly string[];
}

/** A dashboard that is to be in Superset. */
export interface DashboardPlan {
  readonly name: string;
  readonly title: string;
  readonly charts: readonly Chart[];
  readonly filters: readonly DashboardFilter[];
  /** By the key of the asset. */
  readonly datasets: ReadonlyMap<string, DashboardDataset>;
}

/** What became of a dashboard. */
export interface SyncedDashboard {
  readonly id: number;
  /** Of the page that people open. */
  readonly url: string;
  readonly change: ChartChange;
  readonly charts: readonly { readonly name: string; readonly change: ChartChange }[];
  /** Names of charts that are no longer declared. */
  readonly removed: readonly string[];
}

/** A dataset of the dashboard is not in Superset. */
export class DashboardDatasetError extends ProjectError {
  readonly code = "dashboard_dataset_missing";
  readonly retryable = false;
}

/** Charts that are written side by side. */
const CONCURRENCY = 4;

const stored = z.object({
  id: z.number(),
  dashboard_title: z.string().nullable(),
  json_metadata: z.string().nullable(),
  position_json: z.string().nullable(),
  published: z.boolean().nullable(),
  is_managed_externally: z.boolean().nullable(),
});
const storedChart = z.object({
  id: z.number(),
  uuid: z.string(),
  slice_name: z.string().nullable(),
  params: z.string().nullable(),
  dashboards: z.array(z.object({ id: z.number() })),
});
const mark = z.object({ dashboard: z.string(), chart: z.string() });
const created = z.object({ id: z.number() });
const answer = z.object({ result: stored });

/** The UUID of a declared dashboard, in every Superset. */
export function dashboardUuid(name: string): string {
  return supersetUuid("dashboard", name);
}

/**
 * Makes a dashboard and its charts what they are declared to be, and writes nothing where they are so already. Charts
 * that were declared once are removed; others that people put onto the dashboard are taken off it and stay, and so do
 * those of ours that people show on another dashboard.
 *
 * @throws {SupersetError}
 * @throws {DashboardDatasetError}
 */
export async function syncDashboard(client: SupersetClient, plan: DashboardPlan): Promise<SyncedDashboard> {
  const uuid = dashboardUuid(plan.name);
  const found = (await tryGetDashboard(client, uuid)) ?? (await createDashboard(client, plan, uuid));
  const attached = await client.list("chart", storedChart, {
    filters: [{ column: "dashboards", operator: "rel_m_m", value: found.dashboard.id }],
    columns: ["uuid", "slice_name", "params", "dashboards.id"],
  });
  const charts = await inTurns(plan.charts, CONCURRENCY, (chart) =>
    syncChart(client, plan.name, chart, getDataset(plan, chart.dataset.assetKey)),
  );
  // What people show on a dashboard of theirs too is not ours to delete.
  const removed = attached.filter(
    (one) => isOurs(plan.name, one) && one.dashboards.length < 2 && !charts.some(({ uuid: own }) => own === one.uuid),
  );
  // Before they are off the dashboard, where a sync that is cut off here would not find them again.
  for (const { id } of removed) await client.delete(`/chart/${id}`);
  const onPage = new Set(attached.map(({ id }) => id));
  const change = await writeDashboard(client, plan, charts, found.dashboard, onPage);
  const isSame = change === "unchanged" && charts.every((chart) => chart.change === "unchanged");
  return {
    id: found.dashboard.id,
    url: dashboardUrl(client, plan.name),
    change: found.isNew ? "created" : isSame ? "unchanged" : "updated",
    charts: charts.map(({ chart, change: one }) => ({ name: chart.name, change: one })),
    removed: removed.map(({ slice_name: name, id }) => name ?? String(id)),
  };
}

/** The page of a declared dashboard. */
export function dashboardUrl(client: SupersetClient, name: string): string {
  return `${client.url}/superset/dashboard/${dashboardUuid(name)}/`;
}

interface Found {
  readonly dashboard: z.infer<typeof stored>;
  readonly isNew: boolean;
}

async function tryGetDashboard(client: SupersetClient, uuid: string): Promise<Found | undefined> {
  try {
    return { dashboard: (await client.get(`/dashboard/${uuid}`, answer)).result, isNew: false };
  } catch (error) {
    if (error instanceof SupersetNotFoundError) return undefined;
    throw error;
  }
}

/** Charts and filters come later, with their numbers. */
async function createDashboard(client: SupersetClient, { title }: DashboardPlan, uuid: string): Promise<Found> {
  try {
    await client.post("/dashboard/", { dashboard_title: title, uuid, published: false }, created);
  } catch (error) {
    // Another run made it, or this one, and the answer was lost.
    const found = error instanceof SupersetError ? await tryGetDashboard(client, uuid) : undefined;
    if (found === undefined) throw error;
    return found;
  }
  const found = await tryGetDashboard(client, uuid);
  if (found === undefined)
    throw new DashboardDatasetError(
      `the dashboard "${title}" was made, and the account may not see it: give it a role that may`,
    );
  return { ...found, isNew: true };
}

async function writeDashboard(
  client: SupersetClient,
  plan: DashboardPlan,
  charts: readonly OwnChart[],
  before: z.infer<typeof stored>,
  onPage: ReadonlySet<number>,
): Promise<ChartChange> {
  const positions = layoutOf(
    plan.title,
    charts.map(({ id, uuid, chart: { title, width, height } }) => ({ id, uuid, title, width, height })),
  );
  const filters = plan.filters.map((filter) => {
    const excluded = charts.filter(({ chart }) => !appliesTo(filter, getDataset(plan, chart.dataset.assetKey)));
    const dataset = filter.kind === "value" ? getDataset(plan, filter.dataset.assetKey).id : undefined;
    return nativeFilter(
      filter,
      dataset,
      excluded.map(({ id }) => id),
    );
  });
  const metadata = asObject(before.json_metadata);
  const isSame =
    before.dashboard_title === plan.title &&
    before.published === true &&
    before.is_managed_externally === true &&
    // The page shows the charts that Superset has attached to it, whatever has a place on it.
    isDeepStrictEqual(onPage, new Set(charts.map(({ id }) => id))) &&
    isDeepStrictEqual(asObject(before.position_json), positions) &&
    isDeepStrictEqual(metadata["native_filter_configuration"] ?? [], filters);
  if (isSame) return "unchanged";
  const body = {
    dashboard_title: plan.title,
    published: true,
    // What people would change there, the next sync would change back: they are told so, and make a copy.
    is_managed_externally: true,
    json_metadata: JSON.stringify({ ...metadata, positions, native_filter_configuration: filters }),
  };
  await client.put(`/dashboard/${before.id}`, body, z.unknown());
  return "updated";
}

/** Whether the filter has something to hold on to in a chart of the dataset. */
function appliesTo(filter: DashboardFilter, { timeColumn, columns }: DashboardDataset): boolean {
  return filter.kind === "time" ? timeColumn !== null : columns.includes(filter.column);
}

function getDataset({ name, datasets }: DashboardPlan, assetKey: string): DashboardDataset {
  const dataset = datasets.get(assetKey);
  if (dataset !== undefined) return dataset;
  throw new DashboardDatasetError(
    `the dashboard ${name} shows ${assetKey}, whose dataset is not in Superset: materialize superset/dataset/${assetKey}, then this again`,
  );
}

/** Whether we have made a chart for the dashboard. A person's copy has our mark too, but not the UUID of its name. */
function isOurs(dashboard: string, { uuid, params }: z.infer<typeof storedChart>): boolean {
  const { data } = mark.safeParse(asObject(params)["dagster_typescript"]);
  return data?.dashboard === dashboard && uuid === supersetUuid("chart", dashboard, data.chart);
}

/** What is no object in Superset is written anew. */
function asObject(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
