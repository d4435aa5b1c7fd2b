import { type Field, Judge } from "./judge.ts";
import { type Found, mergeColumns } from "./merge_columns.ts";
import { mergeMetrics } from "./merge_metrics.ts";
import type { Dataset } from "./model.ts";
import { digestOf, type Extra, readExtra, type SyncRecord, writeExtra } from "./record.ts";
import type { PublishedData, WantedDataset } from "./wanted.ts";

/** What a sync writes, and why. */
export interface Merged {
  /** The body of a PUT; `null`: the dataset is as it should be. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** For people: each thing that is changed. */
  readonly differences: readonly string[];
  /** What people have edited and we would have written otherwise. */
  readonly kept: readonly string[];
  /** Whether the cache is emptied because the data has changed. */
  readonly isNewData: boolean;
  /** Of the last sync that wrote anything, this one included. */
  readonly syncId: string;
}

/**
 * Compares a dataset with what it should be, and says what to write. Pure.
 *
 * @param syncId Remembered with what is written.
 */
export function merge(wanted: WantedDataset, found: Found, published: PublishedData, syncId: string): Merged {
  const { dataset, before, isNew, owners } = found;
  const extra = readExtra(before.extra);
  const judge = new Judge(isNew ? "overwrite" : wanted.onConflict, wanted.onConflict === "overwrite");
  const columns = mergeColumns(wanted, found, extra, judge);
  const metrics = mergeMetrics(wanted, dataset, extra.record, judge);
  const own = judge.settle("dataset", extra.record?.written.dataset, datasetFields(wanted, before, extra), dataset);
  const { certification, ...fields } = own.changed;
  const isOther = extra.record?.data_version !== published.dataVersion;
  const isNewData = isOther || published.wasOther === true;
  const record: SyncRecord = {
    asset: wanted.assetKey,
    ...(wanted.link === undefined ? {} : { url: wanted.link }),
    run_id: isNewData ? published.runId : extra.record.run_id,
    data_version: published.dataVersion,
    published_at: isNewData ? published.at : extra.record.published_at,
    sync_id: extra.record?.sync_id ?? syncId,
    shape: shapeOf(wanted),
    written: { dataset: own.digests, columns: columns.digests, metrics: metrics.digests },
  };
  const certified = "certification" in own.changed ? (certification ?? undefined) : extra.certification;
  const text = (id: string): string =>
    writeExtra({
      ...{ record: { ...record, sync_id: id }, edited: columns.edited, certification: certified, others: extra.others },
    });
  const changes = {
    ...fields,
    ...(owners === undefined ? {} : { owners }),
    ...(dataset.uuid === wanted.uuid ? {} : { uuid: wanted.uuid }),
    ...(columns.body === null ? {} : { columns: columns.body }),
    ...(metrics.body === null ? {} : { metrics: metrics.body }),
  };
  // What changed and is as it was before may be in the cache as it was in between.
  const isSame = Object.keys(changes).length === 0 && !isNewData && sameJson(text(record.sync_id), dataset.extra);
  if (extra.record !== undefined && extra.record.shape !== record.shape)
    judge.differences.push("columns: of other names or types than at the last sync");
  if (owners !== undefined) judge.differences.push("owners: added");
  if (dataset.uuid !== wanted.uuid) judge.differences.push(`uuid: ${dataset.uuid ?? "none"} → ${wanted.uuid}`);
  if (isOther)
    judge.differences.push(`data: ${extra.record?.data_version ?? "never synced"} → ${published.dataVersion}`);
  else if (isNewData) judge.differences.push(`data: was other, and is ${published.dataVersion} again`);
  if (!isSame && judge.differences.length === 0) judge.differences.push("what is remembered of the last sync");
  return {
    body: isSame ? null : { ...changes, extra: text(syncId) },
    differences: judge.differences,
    kept: judge.kept,
    isNewData,
    syncId: isSame ? record.sync_id : syncId,
  };
}

/** Changes when a column comes, goes or changes its type: then Superset has to read the table again. */
export function shapeOf({ columns }: WantedDataset): string {
  return digestOf(columns.map(({ name, type }) => [name, type]));
}

function datasetFields(wanted: WantedDataset, current: Dataset, extra: Extra): Field[] {
  const description = [wanted.description, wanted.link === undefined ? "" : `Dagster: ${wanted.link}`];
  return [
    {
      name: "description",
      wanted: description.filter((text) => text !== "").join("\n\n"),
      current: current.description ?? null,
    },
    { name: "main_dttm_col", wanted: wanted.timeColumn, current: current.main_dttm_col ?? null },
    { name: "cache_timeout", wanted: wanted.cacheTimeoutSeconds, current: current.cache_timeout ?? null },
    {
      name: "certification",
      wanted: wanted.certifiedBy === undefined ? undefined : { certified_by: wanted.certifiedBy },
      current: extra.certification ?? null,
    },
  ];
}

function sameJson(text: string, other: string | null | undefined): boolean {
  if (text === other) return true;
  try {
    return text === JSON.stringify(JSON.parse(other ?? ""));
  } catch {
    return false;
  }
}
