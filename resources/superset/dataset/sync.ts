import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { SupersetClient } from "../client/client.ts";
import { SupersetError, SupersetNotFoundError, SupersetRefusedError } from "../client/errors.ts";
import { DatasetConflictError } from "./conflict.ts";
import { findOrCreate, isOfTable, tryReadDataset } from "./find.ts";
import { merge, type Merged, shapeOf } from "./merge.ts";
import { editsOf } from "./merge_columns.ts";
import type { Dataset } from "./model.ts";
import { missingOwners } from "./owners.ts";
import { readExtra, writeExtra } from "./record.ts";
import type { PublishedData, WantedDataset } from "./wanted.ts";

/** Another sync, or a person, may change or delete the dataset between reading and writing. */
const TRIES = 3;

/** What a sync did. */
export interface Synced {
  readonly datasetId: number;
  readonly isNew: boolean;
  /** Whether Superset read the table anew, because columns came, went or changed their type. */
  readonly isRefreshed: boolean;
  /** For people: each thing that was changed. */
  readonly differences: readonly string[];
  /** What people have edited in Superset, and what is declared. */
  readonly kept: readonly string[];
  /** Owners that are no users of Superset. */
  readonly unknownOwners: readonly string[];
  /** Whether the cache was emptied because the data has changed. */
  readonly isNewData: boolean;
  readonly columns: number;
  readonly metrics: number;
  /** Changes with everything that is written, so with everything for which charts have to be computed anew. */
  readonly syncId: string;
  /** The page of the dataset. */
  readonly url: string;
}

/**
 * Makes a dataset what it should be, and empties its cache when the data has changed. The same again changes nothing.
 *
 * @throws SupersetError, DatasetConflictError
 */
export async function syncDataset(
  client: SupersetClient,
  wanted: WantedDataset,
  published: PublishedData,
): Promise<Synced> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await syncOnce(client, wanted, published);
    } catch (error) {
      if (!isWorthAnother(error) || attempt === TRIES) throw error;
    }
  }
}

/** Begins anew where the dataset is gone or was written by another sync, or where nobody knows whether it was made. */
function isWorthAnother(error: unknown): boolean {
  if (error instanceof SupersetNotFoundError) return true;
  if (error instanceof SupersetRefusedError) return error.status === 422 && error.request.startsWith("PUT");
  return error instanceof SupersetError && error.retryable && error.request.startsWith("POST");
}

async function syncOnce(client: SupersetClient, wanted: WantedDataset, published: PublishedData): Promise<Synced> {
  const { dataset: before, isNew } = await findOrCreate(client, wanted);
  // Also one that was made but not written: the sync was killed in between.
  const isUntouched = isNew || (before.uuid === wanted.uuid && readExtra(before.extra).record === undefined);
  const owners = await missingOwners(client, wanted, before);
  const decide = (dataset: Dataset): Merged =>
    merge(wanted, { dataset, before, isNew: isUntouched, owners: owners.ids }, published, randomUUID());
  if (wanted.onConflict === "fail") requireNoEdit(wanted, decide(before));
  const isRefreshed = !isNew && isOutdated(before, wanted);
  const dataset = isRefreshed ? await refresh(client, before) : before;
  const merged = decide(dataset);
  if (merged.body !== null) await client.put(`/dataset/${dataset.id}`, merged.body, z.unknown());
  return {
    datasetId: dataset.id,
    isNew,
    isRefreshed,
    differences: merged.differences,
    kept: merged.kept,
    unknownOwners: owners.unknown,
    isNewData: merged.isNewData,
    syncId: merged.syncId,
    columns: wanted.columns.length,
    metrics: wanted.metrics.length,
    url: pageOf(client, dataset.id),
  };
}

/**
 * How a dataset differs from what it should be, for people; writes nothing.
 *
 * @param published `undefined`: nobody knows, and what was synced last counts as current.
 */
export async function compareDataset(
  client: SupersetClient,
  wanted: WantedDataset,
  published: PublishedData | undefined,
): Promise<readonly string[]> {
  const dataset = await tryReadDataset(client, wanted.uuid);
  if (dataset === undefined) return ["the dataset is not there, or was never synced"];
  const { record } = readExtra(dataset.extra);
  const data = published ?? {
    dataVersion: record?.data_version ?? "",
    runId: record?.run_id ?? "",
    at: record?.published_at ?? "",
  };
  if (!isOfTable(dataset, wanted)) return [`the dataset ${dataset.id} shows another table, connection or a query`];
  const { ids: owners } = await missingOwners(client, wanted, dataset);
  return merge(wanted, { dataset, before: dataset, isNew: false, owners }, data, "").differences;
}

/** Whether Superset has yet to read columns that the table has, as far as it shows without asking the database. */
function isOutdated(dataset: Dataset, wanted: WantedDataset): boolean {
  const { record } = readExtra(dataset.extra);
  if (record?.shape !== shapeOf(wanted)) return true;
  const known = new Set(dataset.columns.filter(({ expression }) => !expression).map((column) => column.column_name));
  return wanted.columns.some(({ name }) => !known.has(name));
}

/** Lets Superset read the table again, and keeps what it writes over where a sync that is cut off finds it. */
async function refresh(client: SupersetClient, before: Dataset): Promise<Dataset> {
  const { id } = before;
  const extra = readExtra(before.extra);
  const edited = editsOf(before, extra.edited, extra.record);
  if (!isDeepStrictEqual(edited, extra.edited))
    await client.put(`/dataset/${id}`, { extra: writeExtra({ ...extra, edited }) }, z.unknown());
  await client.put(`/dataset/${id}/refresh`, {}, z.unknown());
  const dataset = await tryReadDataset(client, id);
  if (dataset !== undefined) return dataset;
  throw new SupersetNotFoundError(`GET /api/v1/dataset/${id}`, `The dataset ${id} was deleted while it was synced.`);
}

function requireNoEdit({ assetKey }: WantedDataset, { kept }: Merged): void {
  if (kept.length === 0) return;
  throw new DatasetConflictError(
    [
      `The dataset of ${assetKey} was edited in Superset, and its asset says onConflict: "fail". Nothing was written.`,
      ...kept.map((one) => `  ${one}`),
      'Take it over into the asset, undo it in Superset, or set onConflict to "keep" or "overwrite".',
    ].join("\n"),
  );
}

/** The page on which people explore a dataset. */
function pageOf(client: SupersetClient, id: number): string {
  return `${client.url}/explore/?datasource_type=table&datasource_id=${id}`;
}
