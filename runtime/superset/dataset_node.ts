import { randomUUID } from "node:crypto";
import { metadata, type MetadataMap } from "../../pipes/index.ts";
import { type Synced, syncDataset } from "../../resources/superset/dataset/sync.ts";
import type { PublishedData } from "../../resources/superset/dataset/wanted.ts";
import { startClock } from "../clock.ts";
import { escapeMarkdown } from "../redaction.ts";
import { type AssetReport, durationMetadata } from "../report.ts";
import type { ResolvedAsset } from "../resolve.ts";
import { databaseOf } from "./database.ts";
import { datasetDeps, datasetKey } from "./nodes.ts";
import type { SupersetRunContext } from "./run_context.ts";
import { runnable } from "./runnable.ts";
import { sessionOf } from "./session.ts";
import { requireInSnapshot } from "./snapshot_node.ts";
import { wantedDataset } from "./wanted.ts";

/** The node that syncs the dataset of an asset, ready to run. */
export function datasetNode(asset: ResolvedAsset): ResolvedAsset {
  const { defined, store, codeVersion } = asset;
  return runnable({
    key: datasetKey(asset.key),
    description: defined.options.description,
    deps: datasetDeps(asset),
    ...{ store, position: defined.position, codeVersion },
    faults: [...asset.faults, ...noDataset(asset)],
    run: (context) => runDataset(asset, context),
  });
}

function noDataset({ key, defined }: ResolvedAsset): ResolvedAsset["faults"] {
  if (defined.options.superset !== undefined) return [];
  const message = `${key} declares no dataset: add superset: { … } to it`;
  return [{ code: "bad_option", asset: key, position: defined.position, message }];
}

async function runDataset(asset: ResolvedAsset, context: SupersetRunContext): Promise<AssetReport> {
  const { log, env, redact } = context;
  const clock = startClock();
  const superset = sessionOf(context);
  await requireInSnapshot(asset, context);
  const wanted = wantedDataset(asset, await databaseOf(superset, asset.store, context), env);
  const published = publishedData(asset.key, context);
  const synced = await syncDataset(superset.client, wanted, published);
  for (const one of synced.differences) log.info(redact(one));
  for (const one of synced.kept) log.warning(redact(`Kept what was edited in Superset: ${one}`));
  for (const owner of synced.unknownOwners) log.warning(`No user of Superset has the address ${owner}`);
  return {
    dataVersion: synced.syncId,
    metadata: { ...linksOf(asset, synced, published, context), ...durationMetadata({ publish: clock() }) },
    checks: [],
    partitions: null,
  };
}

/** Without Dagster nobody knows whether the data has changed, so the cache is emptied. */
function publishedData(key: string, { upstream, runId }: SupersetRunContext): PublishedData {
  const recorded = upstream?.[key];
  return recorded ?? { dataVersion: `unknown ${randomUUID()}`, runId, at: new Date().toISOString() };
}

/** From the dataset to the table, and to the run that published it. */
function linksOf(
  asset: ResolvedAsset,
  synced: Synced,
  published: PublishedData,
  { upstream, redact }: SupersetRunContext,
): MetadataMap {
  const list = (lines: readonly string[]): MetadataMap[string] =>
    metadata.md(lines.map((line) => `- ${escapeMarkdown(redact(line))}`).join("\n"));
  return {
    dataset: metadata.url(synced.url),
    dataset_id: metadata.int(synced.datasetId),
    table: metadata.asset(asset.key.split("/")),
    ...(upstream?.[asset.key] == null ? {} : { published_by: metadata.dagsterRun(published.runId) }),
    table_data_version: metadata.text(published.dataVersion),
    table_published_at: metadata.text(published.at),
    cache_emptied: metadata.bool(synced.differences.length > 0),
    columns: metadata.int(synced.columns),
    metrics: metadata.int(synced.metrics),
    ...(synced.differences.length === 0 ? {} : { changed: list(synced.differences.slice(0, SHOWN)) }),
    ...(synced.kept.length === 0 ? {} : { kept: list(synced.kept.slice(0, SHOWN)) }),
  };
}

/** More would make the page of the asset unreadable. */
const SHOWN = 50;
