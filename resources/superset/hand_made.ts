import { z } from "zod";
import type { SupersetClient } from "./client/client.ts";
import { SupersetNotFoundError } from "./client/errors.ts";
import { inTurns } from "./in_turns.ts";

/** A dashboard that people made in Superset. */
export interface HandMadeDashboard {
  readonly id: number;
  readonly title: string;
  readonly url: string;
  /** Keys of the assets whose datasets it shows, sorted. */
  readonly assets: readonly string[];
}

const listed = z.object({
  id: z.number(),
  uuid: z.string().nullish(),
  dashboard_title: z.string().nullish(),
  url: z.string().nullish(),
});
const related = z.object({ dashboards: z.object({ result: z.array(z.object({ id: z.number() })) }) });

const CONCURRENCY = 4;

/**
 * The dashboards that show datasets of ours and that are not declared, sorted by their number. Those that the account may
 * not see are left out by Superset.
 *
 * @param datasets UUID of a dataset to the key of its asset.
 * @param declared UUIDs of declared dashboards.
 */
export async function handMadeDashboards(
  client: SupersetClient,
  datasets: ReadonlyMap<string, string>,
  declared: ReadonlySet<string>,
): Promise<HandMadeDashboard[]> {
  const all = await client.list("dashboard", listed, { columns: ["uuid", "dashboard_title", "url"] });
  const shown = new Map<number, Set<string>>();
  await inTurns([...datasets], CONCURRENCY, async ([uuid, assetKey]) => {
    for (const id of await dashboardsOf(client, uuid)) {
      const assets = shown.get(id) ?? new Set();
      shown.set(id, assets.add(assetKey));
    }
  });
  return all
    .filter(({ id, uuid }) => shown.has(id) && !declared.has(uuid ?? ""))
    .map(({ id, dashboard_title: title, url }) => ({
      id,
      title: title ?? `dashboard ${id}`,
      url: `${client.url}${url ?? `/superset/dashboard/${id}/`}`,
      assets: [...(shown.get(id) ?? [])].sort(),
    }))
    .sort((a, b) => a.id - b.id);
}

/** A dataset that was never synced shows nothing. */
async function dashboardsOf(client: SupersetClient, uuid: string): Promise<number[]> {
  try {
    const { dashboards } = await client.get(`/dataset/${uuid}/related_objects`, related);
    return dashboards.result.map(({ id }) => id);
  } catch (error) {
    if (error instanceof SupersetNotFoundError) return [];
    throw error;
  }
}
