import { type Field, isEmpty, type Judge, type MergedParts } from "./judge.ts";
import type { Dataset, DatasetColumn } from "./model.ts";
import { type ColumnEdits, type Extra, isAsWritten, type SyncRecord } from "./record.ts";
import type { WantedColumn, WantedDataset } from "./wanted.ts";

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

const COLUMN_FIELDS = ["verbose_name", "description", "filterable", "groupby", "is_dttm"] as const;

/** Which columns a dataset is to have, and what is to be written of each. */
export function mergeColumns(
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

function isComputed({ expression }: DatasetColumn): boolean {
  return expression !== null && expression !== undefined && expression !== "";
}

function byName(columns: readonly DatasetColumn[]): Map<string, DatasetColumn> {
  return new Map(columns.map((column) => [column.column_name, column]));
}
