import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Chart } from "../../definitions/superset/chart.ts";
import { type ChartDataset, chartForm } from "./chart_form.ts";
import { chartQuery } from "./chart_query.ts";
import type { SupersetClient } from "./client/client.ts";
import { SupersetError, SupersetNotFoundError } from "./client/errors.ts";
import { supersetUuid } from "./uuid.ts";

/** What a sync did to something. */
export type ChartChange = "created" | "updated" | "unchanged";

/** A declared chart that is in Superset. */
export interface OwnChart {
  readonly chart: Chart;
  readonly id: number;
  readonly uuid: string;
  readonly change: ChartChange;
}

const stored = z.object({
  id: z.number(),
  slice_name: z.string().nullable(),
  description: z.string().nullable(),
  viz_type: z.string().nullable(),
  params: z.string().nullable(),
  datasource_id: z.number().nullable().optional(),
  is_managed_externally: z.boolean().nullable().optional(),
});
const created = z.object({ id: z.number() });

/** Makes a chart what it is declared to be; found by its UUID, which comes from its name and that of its dashboard. */
export async function syncChart(
  client: SupersetClient,
  dashboard: string,
  chart: Chart,
  dataset: ChartDataset,
): Promise<OwnChart> {
  const uuid = supersetUuid("chart", dashboard, chart.name);
  const body = bodyOf(dashboard, chart, dataset);
  const found = await tryGetChart(client, uuid);
  if (found !== undefined) return await update(client, found, body, chart, uuid);
  try {
    const { id } = await client.post("/chart/", { ...body, uuid }, created);
    return { chart, id, uuid, change: "created" };
  } catch (error) {
    // Another run made it, or this one, and the answer was lost.
    const other = error instanceof SupersetError ? await tryGetChart(client, uuid) : undefined;
    if (other === undefined) throw error;
    return await update(client, other, body, chart, uuid);
  }
}

type Body = ReturnType<typeof bodyOf>;

async function update(
  client: SupersetClient,
  before: z.infer<typeof stored>,
  body: Body,
  chart: Chart,
  uuid: string,
): Promise<OwnChart> {
  const { id } = before;
  if (isSame(before, body)) return { chart, id, uuid, change: "unchanged" };
  await client.put(`/chart/${id}`, body, z.unknown());
  return { chart, id, uuid, change: "updated" };
}

async function tryGetChart(client: SupersetClient, uuid: string): Promise<z.infer<typeof stored> | undefined> {
  try {
    return (await client.get(`/chart/${uuid}`, z.object({ result: stored }))).result;
  } catch (error) {
    if (error instanceof SupersetNotFoundError) return undefined;
    throw error;
  }
}

function bodyOf(dashboard: string, chart: Chart, dataset: ChartDataset) {
  const query = JSON.stringify(chartQuery(chart, dataset));
  const form = chartForm(chart, dataset);
  return {
    slice_name: chart.title,
    description: chart.description ?? "",
    viz_type: form.viz_type,
    datasource_id: dataset.id,
    datasource_type: "table",
    is_managed_externally: true,
    query_context: query,
    params: JSON.stringify({
      ...form,
      // By this a chart is known to be ours, and a query to be another, since Superset does not list queries.
      dagster_typescript: {
        dashboard,
        chart: chart.name,
        query: createHash("sha256").update(query).digest("hex").slice(0, 16),
      },
    }),
  };
}

function isSame(before: z.infer<typeof stored>, body: Body): boolean {
  return (
    before.slice_name === body.slice_name &&
    (before.description ?? "") === body.description &&
    before.viz_type === body.viz_type &&
    before.datasource_id === body.datasource_id &&
    before.is_managed_externally === true &&
    isDeepStrictEqual(parsed(before.params), parsed(body.params))
  );
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
