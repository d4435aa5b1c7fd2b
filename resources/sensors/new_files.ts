import { createHash } from "node:crypto";
import { z } from "zod";
import { type Duration, tryGetSeconds } from "../../definitions/duration.ts";
import { timeOf } from "../../definitions/partitions.ts";
import { definedAssets } from "../../definitions/registry.ts";
import type { SensorContext, SensorLogic } from "../../definitions/sensor.ts";
import type { LastPublish, RunRequest } from "../../definitions/tick.ts";
import { placeOfPeriod, tryGetPeriod } from "../../definitions/time_periods.ts";
import { SensorOptionError } from "./errors.ts";
import { skipWhileLocked } from "./skip_while_locked.ts";
import { listFolder } from "./folder.ts";
import type { FoundFile, ListedFile } from "./listing.ts";
import { listObjects, type Objects } from "./objects.ts";

/** What {@link newFiles} looks for. */
export type NewFilesOptions = NewFilesPlace & {
  /** Names to look for: `*`, `**`, `?` and `{a,b}`, such as `"2017/**\/*.csv"`. Hidden files never match. @default "*" */
  readonly pattern?: string | undefined;
  /**
   * A file of a folder is taken for whole when nobody has written to it for so long, and for loaded, at the first tick, by a
   * run that began so long after it came. @default "10s"
   */
  readonly settled?: Duration | undefined;
  /**
   * The partitions that a file belongs to; `null`: it is not to be loaded. Without it, each tick with new files asks for
   * one run without partitions.
   */
  readonly partition?: ((file: FoundFile) => string | readonly string[] | null) | undefined;
  /** The list of dynamic partitions that the partitions are added to first. */
  readonly list?: string | undefined;
};

type NewFilesPlace =
  | { /** Relative to the project. */ readonly folder: string; readonly objects?: undefined }
  | { readonly objects: Objects; readonly folder?: undefined };

const fileSchema = z.strictObject({
  /** Changes whenever the content may have. */
  mark: z.string(),
  /** Since when the mark is this one, by the clock of this machine. */
  since: z.iso.datetime(),
  /** Content and partitions when it was loaded last; `null`: never. */
  loaded: z.string().nullable(),
  /** Whether the content of this mark is dealt with. */
  done: z.boolean(),
});
const cursorSchema = z.strictObject({
  /** When the sensor began: run keys of a sensor whose cursor was emptied are not those of before. */
  epoch: z.int(),
  /** Ticks with runs so far: content that comes back is loaded again. */
  ticks: z.int(),
  files: z.record(z.string(), fileSchema),
  /** What files that are no longer there had loaded, the newest last. */
  gone: z.array(z.string()),
});

/** What {@link newFiles} remembers: the files that it knows, and what it has loaded. */
export type NewFilesCursor = typeof cursorSchema;
type Remembered = z.output<typeof cursorSchema>;
type RememberedFile = z.output<typeof fileSchema>;

const DEFAULT_SETTLED_SECONDS = 10;
/** Files that vanished and come back are still known for so many. */
const MAX_GONE = 10_000;
/** Reading files takes time: after so much of it the rest waits for the next tick. */
const READING_MS = 8_000;
const NAMES_SHOWN = 20;

/**
 * Asks for a run when there are new files in a folder, or new objects in a bucket. Nothing is loaded twice: not a file
 * that was renamed, touched, or moved away and back, and not the same content for the same partitions under two names.
 * A file that changes is loaded again. A file that is being written, or is empty, waits. The first tick leaves out what is
 * in partitions that were published by a run that began after the file came.
 *
 * @example
 * ```ts
 * import { defineSensor } from "dagster-typescript";
 * import { newFiles } from "dagster-typescript/sensors";
 * import { orders } from "./orders.ts";
 *
 * export const inbox = defineSensor("shop/inbox", {
 *   description: "Loads the day of each file that arrives.",
 *   assets: [orders],
 *   ...newFiles({ folder: "data/inbox", pattern: "*.csv", partition: ({ name }) => name.slice(0, 10) }),
 * });
 * ```
 */
export function newFiles(options: NewFilesOptions): SensorLogic<NewFilesCursor> {
  return {
    cursor: cursorSchema,
    evaluate: skipWhileLocked((context: SensorContext<Remembered>) => look(options, context)),
  };
}

async function look(
  options: NewFilesOptions,
  context: SensorContext<Remembered>,
): Promise<{
  runs?: RunRequest[];
  skip?: string;
  cursor: Remembered;
  addPartitions?: { list: string; keys: string[] }[];
}> {
  const { cursor, now, log, signal, projectDir } = context;
  const before: Remembered = cursor ?? { epoch: now.getTime(), ticks: 0, files: {}, gone: [] };
  const pattern = options.pattern ?? "*";
  const listing =
    options.objects === undefined
      ? listFolder(options.folder, pattern, projectDir)
      : listObjects(options.objects, pattern);
  const settledMs = (tryGetSeconds(options.settled ?? "") ?? DEFAULT_SETTLED_SECONDS) * 1000;
  const listed = await listing.list(signal);
  const names = new Set(listed.map(({ name }) => name));
  const vanished = Object.entries(before.files).filter(([name]) => !names.has(name));
  const gone = [...before.gone, ...vanished.flatMap(([, { loaded }]) => loaded ?? [])];
  const known = new Set([...gone, ...Object.values(before.files).flatMap(({ loaded }) => loaded ?? [])]);
  const files: Record<string, RememberedFile> = {};
  const found: Fresh[] = [];
  const started = performance.now();
  let [waiting, early] = [0, 0];
  for (const file of listed) {
    signal.throwIfAborted();
    const state = remember(file, before.files[file.name], now);
    files[file.name] = state;
    if (state.done) continue;
    const isWhole = listing.isAtomic || isSettled(file, state, now, settledMs);
    if (file.sizeBytes === 0 || !isWhole || performance.now() - started > READING_MS) {
      waiting += 1;
      log.debug(`${file.name} waits: ${file.sizeBytes === 0 ? "it is empty" : "somebody may be writing it"}`);
      continue;
    }
    const partitions = partitionsOfFile(options, file);
    const unfinished = (partitions ?? []).find((key) => isUnfinished(key, context));
    if (unfinished !== undefined) {
      early += 1;
      log.info(`${file.name} waits: its partition ${unfinished} is not over yet`);
      continue;
    }
    const content = await listing.identify(file, signal);
    if (content === undefined) {
      waiting += 1;
      continue;
    }
    const id = digest([content, ...(partitions ?? [])]);
    files[file.name] = { ...state, loaded: partitions?.length === 0 ? null : id, done: true };
    if (partitions?.length === 0) log.debug(`${file.name} is of no partition`);
    else if (known.has(id)) log.info(`${file.name} is loaded already: nothing to do`);
    else found.push({ file, id, partitions });
    known.add(id);
  }
  const fresh = cursor === null ? await notLoaded(found, settledMs, context) : found;
  const next: Remembered = { ...before, files, gone: gone.slice(-MAX_GONE) };
  if (fresh.length === 0) {
    const rest = waiting === 0 ? "" : `; ${waiting} may not be whole yet`;
    const over = early === 0 ? "" : `; ${early} of partitions that are not over yet`;
    return { skip: `no new file among ${listed.length} in ${listing.place}${rest}${over}`, cursor: next };
  }
  log.info(`New: ${shown(fresh.map(({ file }) => file.name))}`);
  const ticks = before.ticks + 1;
  const runKey = `${before.epoch.toString(36)}-${ticks}-${digest(fresh.map(({ id }) => id))}`;
  const keys = [...new Set(fresh.flatMap(({ partitions }) => partitions ?? []))].sort();
  return {
    runs: [options.partition === undefined ? { runKey } : { runKey, partitionKeys: keys }],
    cursor: { ...next, ticks },
    ...(options.list === undefined ? {} : { addPartitions: [{ list: options.list, keys }] }),
  };
}

/** Whether a partition will be there once its time is over: to ask for it before would fail the tick, and all files with it. */
function isUnfinished(key: string, { assets, now }: Pick<SensorContext<Remembered>, "assets" | "now">): boolean {
  const asked = new Set(assets.map(({ assetKey }) => assetKey));
  return definedAssets().some(({ key: asset, options: { partitions } }) => {
    const time = partitions === undefined || !asked.has(asset) ? undefined : timeOf(partitions);
    const period = time && tryGetPeriod(time, key.split("|", 1)[0] ?? "");
    return time !== undefined && period !== undefined && placeOfPeriod(time, period, now.getTime()) === "to come";
  });
}

/** A file that no tick has asked for. */
interface Fresh {
  readonly file: ListedFile;
  readonly id: string;
  /** `null`: without partitions. */
  readonly partitions: readonly string[] | null;
}

/**
 * The files whose partitions no run has published that began after they came: at the first look, a backfill may have.
 *
 * @param settledMs So long after: the clocks of files and runs may be apart, and a file is rather loaded twice than never.
 */
async function notLoaded(
  found: readonly Fresh[],
  settledMs: number,
  { assets, lastPublishes, log }: SensorContext<Remembered>,
): Promise<readonly Fresh[]> {
  const keys = [...new Set(found.flatMap(({ partitions }) => partitions ?? []))];
  if (keys.length === 0) return found;
  const publishes: ReadonlyMap<string, LastPublish>[] = [];
  for (const asset of assets) publishes.push(await lastPublishes(asset, keys));
  const isLoaded = ({ file: { arrivedAt }, partitions }: Fresh): boolean =>
    arrivedAt !== undefined &&
    partitions !== null &&
    partitions.every((key) =>
      publishes.every((of) => Date.parse(of.get(key)?.startedAt ?? "") > arrivedAt.getTime() + settledMs),
    );
  const { loaded = [], fresh = [] } = Object.groupBy(found, (one) => (isLoaded(one) ? "loaded" : "fresh"));
  if (loaded.length > 0)
    log.info(`Loaded already, by runs that began after they came: ${shown(loaded.map(({ file }) => file.name))}`);
  return fresh;
}

/** What is known of a file now. */
function remember(file: ListedFile, old: RememberedFile | undefined, now: Date): RememberedFile {
  const since = now.toISOString();
  if (old === undefined) return { mark: file.mark, since, loaded: null, done: false };
  if (old.mark !== file.mark) return { ...old, mark: file.mark, since, done: false };
  // After the clock was put back, what was seen "later" than now says nothing.
  return old.since > since ? { ...old, since } : old;
}

/** Untouched for long enough, by the clock of the file or by what this sensor has seen. */
function isSettled({ modifiedAt }: FoundFile, { since }: RememberedFile, now: Date, settledMs: number): boolean {
  // The clock of a file that was written in the future is wrong: then only what was seen counts.
  return now.getTime() - modifiedAt.getTime() >= settledMs || now.getTime() - Date.parse(since) >= settledMs;
}

/** `null`: without partitions. Empty: the file is not to be loaded. */
function partitionsOfFile({ partition }: NewFilesOptions, file: FoundFile): readonly string[] | null {
  if (partition === undefined) return null;
  const { name, sizeBytes, modifiedAt } = file;
  try {
    const found = partition({ name, sizeBytes, modifiedAt });
    if (found === null) return [];
    return typeof found === "string" ? [found] : [...found];
  } catch (error) {
    throw new SensorOptionError(
      `partition of ${name}: ${error instanceof Error ? error.message : String(error)}. Return null for a file that is not to be loaded`,
      { cause: error },
    );
  }
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 24);
}

function shown(names: readonly string[]): string {
  const rest = names.length - NAMES_SHOWN;
  return `${names.slice(0, NAMES_SHOWN).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
