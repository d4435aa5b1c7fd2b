import { createHash } from "node:crypto";
import { z } from "zod";

/** What a dataset keeps of our last sync, in its `extra`: by it we tell what people have edited since. */
const record = z.object({
  asset: z.string(),
  /** The page of the asset in Dagster. */
  url: z.string().optional(),
  /** The run that published the data; with it the cache keys of all charts change. */
  run_id: z.string(),
  data_version: z.string(),
  published_at: z.string(),
  /** Of the last sync that wrote anything: what it names is what charts have to be computed anew for. */
  sync_id: z.string(),
  /** Digest of the names and types of the columns. */
  shape: z.string(),
  /** Digests of what we wrote, field by field. */
  written: z.object({
    dataset: z.string(),
    columns: z.record(z.string(), z.string()),
    metrics: z.record(z.string(), z.string()),
  }),
});

const edits = z.object({ edited: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Column, field and value. */
export type ColumnEdits = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** @see record */
export type SyncRecord = z.infer<typeof record>;

const KEY = "dagster_typescript";
const DIGITS = 8;
const NOTHING = "-".repeat(DIGITS);

/** The `extra` of a dataset, taken apart. */
export interface Extra {
  /** `undefined`: we have never synced it. */
  readonly record: SyncRecord | undefined;
  /** What people had edited of columns that are gone, should they come back, or that Superset is about to write over. */
  readonly edited: ColumnEdits;
  readonly certification: unknown;
  /** What others keep there. */
  readonly others: Readonly<Record<string, unknown>>;
}

/** Reads an `extra`; text that is no JSON object is as good as none, since Superset does not read it either. */
export function readExtra(text: string | null | undefined): Extra {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    value = {};
  }
  const object = z.record(z.string(), z.unknown()).safeParse(value).data ?? {};
  const { [KEY]: own, certification, ...others } = object;
  return { record: record.safeParse(own).data, edited: edits.safeParse(own).data?.edited ?? {}, certification, others };
}

/** The text of an `extra`. */
export function writeExtra({ record: own, edited, certification, others }: Extra): string {
  return JSON.stringify({
    ...others,
    ...(certification === undefined ? {} : { certification }),
    [KEY]: { ...own, ...(Object.keys(edited).length === 0 ? {} : { edited }) },
  });
}

/** Digests of values, one after the other, each of the same length; `undefined`: nothing was written there. */
export function digestsOf(values: readonly unknown[]): string {
  return values.map((value) => (value === undefined ? NOTHING : digestOf(value))).join("");
}

/** Whether a value is still what we wrote, by its place in {@link digestsOf}. */
export function isAsWritten(digests: string | undefined, index: number, value: unknown): boolean {
  const digest = digests?.slice(index * DIGITS, (index + 1) * DIGITS);
  return digest === NOTHING ? value === null || value === "" : digest === digestOf(value);
}

/** A short digest of a value that has a JSON form. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, DIGITS);
}
