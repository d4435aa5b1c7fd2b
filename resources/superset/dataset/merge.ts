import type { OnConflict } from "../../../definitions/superset/dataset.ts";
import type { Dataset, DatasetColumn, DatasetMetric } from "./model.ts";
import {
  type ColumnEdits,
  digestOf,
  digestsOf,
  type Extra,
  isAsWritten,
  readExtra,
  type SyncRecord,
  writeExtra,
} from "./record.ts";
import type { PublishedData, WantedColumn, WantedDataset, WantedMetric } from "./wanted.ts";

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

/** Where a dataset comes from. */
export interface Found {
  readonly dataset: Dataset;
  /** Before Superset read the table again, which writes over what people have edited. */
  readonly before: Dataset;
  /** We have made it and written nothing yet, so nobody has edited it. */
  readonly isNew: boolean;
  /** Numbers of all owners that it should have; `undefined`: none is missing. */
  readonly owners?: readonly number[] | undefined;
}

/** A field of the dataset, of a column or of a metric. */
interface Field {
  readonly name: string;
  /** `undefined`: nothing is declared. */
  readonly wanted: unknown;
  /** What people see and may have edited. */
  readonly current: unknown;
  /** Superset sets it by itself when it reads the table again. */
  readonly reset?: unknown;
}

const COLUMN_FIELDS = ["verbose_name", "description", "filterable", "groupby", "is_dttm"] as const;
const METRIC_FIELDS = ["expression", "verbose_name", "description", "d3format"] as const;

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
  if (owners !== undefined) judge.differences.push("owners: added");
  if (dataset.uuid !== wanted.uuid) judge.differences.push(`uuid: ${dataset.uuid ?? "none"} → ${wanted.uuid}`);
  if (isOther)
    judge.differences.push(`data: ${extra.record?.data_version ?? "never synced"} → ${published.dataVersion}`);
  else if (isNewData) judge.differences.push(`data: was other, and is ${published.dataVersion} again`);
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

/** Decides field by field, and remembers why. */
class Judge {
  readonly differences: string[] = [];
  readonly kept: string[] = [];
  readonly #mode: OnConflict;
  /** Also what was removed from the declaration but edited by people goes. */
  readonly removesEdited: boolean;

  constructor(mode: OnConflict, removesEdited: boolean) {
    this.#mode = mode;
    this.removesEdited = removesEdited;
  }

  /** @returns the fields to write, and what to remember of all */
  settle(
    what: string,
    digests: string | undefined,
    fields: readonly Field[],
    actual: Readonly<Record<string, unknown>>,
  ): { readonly changed: Record<string, unknown>; readonly digests: string } {
    const changed: Record<string, unknown> = {};
    for (const [index, field] of fields.entries()) {
      const value = this.#value(what, field, isAsWritten(digests, index, field.current), digests === undefined);
      const now = field.name in actual ? (actual[field.name] ?? null) : field.current;
      if (same(value, now)) continue;
      changed[field.name] = value;
      this.differences.push(`${what}: ${field.name} ${shown(now)} → ${shown(value)}`);
    }
    return { changed, digests: digestsOf(fields.map(({ wanted }) => wanted)) };
  }

  #value(what: string, { name, wanted, current, reset }: Field, isOurs: boolean, isFirst: boolean): unknown {
    // What we wrote once and declare no more goes, as long as nobody has made it theirs.
    if (wanted === undefined) return isOurs ? null : current;
    if (same(wanted, current) || this.#mode === "overwrite" || isOurs) return wanted;
    if ((isFirst && isEmpty(current)) || (reset !== undefined && same(reset, current))) return wanted;
    this.kept.push(`${what}: ${name} is ${shown(current)} in Superset, and ${shown(wanted)} is declared`);
    return current;
  }
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

interface MergedParts {
  /** All of them, since Superset deletes what is not in a PUT; `null`: none differs. */
  readonly body: readonly object[] | null;
  readonly digests: Record<string, string>;
}

function mergeColumns(
  wanted: WantedDataset,
  { dataset, before, isNew }: Found,
  { record, edited: saved }: Extra,
  judge: Judge,
): MergedParts & { readonly edited: ColumnEdits } {
  const names = new Set(wanted.columns.map(({ name }) => name));
  const [now, earlier] = [byName(dataset.columns), byName(before.columns)];
  const written = record?.written.columns ?? {};
  const digests: Record<string, string> = {};
  const count = judge.differences.length;
  const body: object[] = wanted.columns.map((column) => {
    const { name } = column;
    const actual = now.get(name);
    const seen = isNew ? undefined : earlier.get(name);
    // A column that Superset has just met is nobody's yet, unless it was there before and somebody had edited it.
    const edited = saved[name] ?? {};
    const fields = COLUMN_FIELDS.map((field, index): Field => {
      const value = columnValues(column)[index];
      const untouched = seen === undefined ? (value ?? actual?.[field] ?? null) : (seen[field] ?? null);
      const isSaved = field in edited && (seen === undefined || WRITTEN_OVER.has(field));
      const current = isSaved ? edited[field] : untouched;
      return { name: field, wanted: value, current, ...(RESET.has(field) ? { reset: true } : {}) };
    });
    const settled = judge.settle(`column ${name}`, seen === undefined ? "" : written[name], fields, actual ?? {});
    digests[name] = settled.digests;
    if (actual !== undefined) return { id: actual.id, column_name: name, ...settled.changed };
    judge.differences.push(`column ${name}: added`);
    const values = Object.fromEntries(fields.map((field) => [field.name, field.current] as const));
    return { column_name: name, type: column.type, ...values, ...settled.changed };
  });
  // A column of the table that is not declared is a person's, who let Superset read it, unless it was declared once.
  const isTheirs = (name: string): boolean => !isNew && earlier.has(name) && !(name in written);
  for (const column of dataset.columns) {
    const { id, column_name: name } = column;
    if (isComputed(column) || (!names.has(name) && isTheirs(name))) body.push({ id, column_name: name });
    else if (!names.has(name)) judge.differences.push(`column ${name}: removed`);
  }
  const edits = Object.entries(isNew ? saved : editsOf(before, saved, record));
  const gone = edits.filter(([name]) => !names.has(name) && !isTheirs(name));
  return { body: judge.differences.length === count ? null : body, digests, edited: Object.fromEntries(gone) };
}

/**
 * What people have edited of the columns of a table, as a dataset has it now or had it when they were last there.
 *
 * @param saved What was there earlier.
 * @param record `undefined`: the dataset was never synced, so all of it is people's.
 */
export function editsOf(dataset: Dataset, saved: ColumnEdits, record: SyncRecord | undefined): ColumnEdits {
  const edits: Record<string, Readonly<Record<string, unknown>>> = { ...saved };
  for (const column of dataset.columns) {
    const digests = record?.written.columns[column.column_name];
    if (isComputed(column)) continue;
    const values = COLUMN_FIELDS.map((field) => [field, column[field] ?? null] as const);
    const edited = values.filter(([, value], index) => !isEmpty(value) && !isAsWritten(digests, index, value));
    const own = edited.filter(([field, value]) => !(RESET.has(field) && value === true));
    if (own.length > 0) edits[column.column_name] = { ...Object.fromEntries(own), ...saved[column.column_name] };
  }
  return edits;
}

/** What Superset writes over when it reads the table again. */
const WRITTEN_OVER: ReadonlySet<string> = new Set(["description", "filterable", "groupby"]);

/** What Superset sets when somebody lets it read the table again. */
const RESET: ReadonlySet<string> = new Set(["filterable", "groupby"]);

/** In the order of `COLUMN_FIELDS`. */
function columnValues({ label, description, filterable, groupable, isTime }: WantedColumn): unknown[] {
  return [label, description, filterable, groupable, isTime];
}

function mergeMetrics(
  wanted: WantedDataset,
  dataset: Dataset,
  record: SyncRecord | undefined,
  judge: Judge,
): MergedParts {
  const now = new Map(dataset.metrics.map((metric) => [metric.metric_name, metric]));
  const digests: Record<string, string> = {};
  const count = judge.differences.length;
  const body: object[] = wanted.metrics.map((metric) => {
    const actual = now.get(metric.name);
    const values = metricValues(metric);
    if (actual === undefined) {
      judge.differences.push(`metric ${metric.name}: added`);
      digests[metric.name] = digestsOf(values);
      const fields = METRIC_FIELDS.map((name, index) => [name, values[index] ?? null] as const);
      return { metric_name: metric.name, ...Object.fromEntries(fields) };
    }
    const fields = METRIC_FIELDS.map((name, index) => ({ name, wanted: values[index], current: actual[name] ?? null }));
    const settled = judge.settle(`metric ${metric.name}`, record?.written.metrics[metric.name], fields, actual);
    digests[metric.name] = settled.digests;
    return { id: actual.id, metric_name: metric.name, expression: actual.expression, ...settled.changed };
  });
  for (const metric of dataset.metrics) {
    if (metric.metric_name in digests) continue;
    if (isWithdrawn(metric, record, judge)) judge.differences.push(`metric ${metric.metric_name}: removed`);
    else body.push({ id: metric.id, metric_name: metric.metric_name, expression: metric.expression });
  }
  return { body: judge.differences.length === count ? null : body, digests };
}

/** Whether we have made a metric, declare it no more, and nobody has made it theirs. */
function isWithdrawn(metric: DatasetMetric, record: SyncRecord | undefined, judge: Judge): boolean {
  const written = record?.written.metrics[metric.metric_name];
  if (written === undefined) return false;
  return judge.removesEdited || isAsWritten(written, 0, metric.expression);
}

/** In the order of `METRIC_FIELDS`. */
function metricValues({ expression, label, description, format }: WantedMetric): unknown[] {
  return [expression, label, description, format];
}

function isComputed({ expression }: DatasetColumn): boolean {
  return expression !== null && expression !== undefined && expression !== "";
}

function byName(columns: readonly DatasetColumn[]): Map<string, DatasetColumn> {
  return new Map(columns.map((column) => [column.column_name, column]));
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "";
}

/** No text and an empty one look the same to people. */
function same(a: unknown, b: unknown): boolean {
  return (isEmpty(a) && isEmpty(b)) || JSON.stringify(a) === JSON.stringify(b);
}

function sameJson(text: string, other: string | null | undefined): boolean {
  if (text === other) return true;
  try {
    return text === JSON.stringify(JSON.parse(other ?? ""));
  } catch {
    return false;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length <= 100 ? text : `${text.slice(0, 100).toWellFormed()}…`;
}
