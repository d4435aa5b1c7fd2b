import type { BodyContext } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type { TimePartitions } from "../definitions/partitions.ts";
import { dayStart, firstStart, periodAt } from "../definitions/time_periods.ts";
import { metadata, type MetadataMap } from "../pipes/index.ts";
import type { Archive, ArchivedFile, ArchivePartition, Attempt, Store, Target } from "../resources/store.ts";
import type { OpenStores } from "../resources/stores.ts";
import { lastPublish } from "./evolved.ts";
import { profileOf } from "./history.ts";
import { ledgerEntry, reuse } from "./ledger_entry.ts";
import { columnTime, planPartitions, runPartition } from "./partitions.ts";
import { tableReport } from "./report.ts";
import type { ResolvedAsset, ResolvedBody } from "./resolve.ts";
import type { AssetResult, RunRequest } from "./asset_run.ts";
import { requireUnbroken } from "./schema_evolution.ts";

/** Partitions that are moved in one transaction: each makes the view anew, whose text names all files. */
const AT_ONCE = 50;

/** What a run did. */
interface Moved {
  readonly archived: readonly ArchivedFile[];
  readonly restored: readonly ArchivedFile[];
}

/** The run configuration asks for partitions that are not archived. */
export class NotArchivedError extends ProjectError {
  readonly code = "not_archived";
  readonly retryable = false;
}

/** Moves what has become cold into files, or brings back what the run configuration asks for; then reports the view. */
export async function runArchive(
  asset: ResolvedAsset,
  body: Extract<ResolvedBody, { kind: "archive" }>,
  stores: OpenStores,
  context: BodyContext,
  request: RunRequest,
): Promise<AssetResult> {
  const { target } = asset;
  const store: Store = await stores.get(asset.store);
  if (target === null || store.withArchive === undefined) throw new TypeError(`${asset.key} has no archive`);
  const attempt: Attempt = {
    ...{ runId: request.runId, rootRunId: request.rootRunId },
    codeVersion: asset.codeVersion,
    startedAt: new Date(),
    partitionKeys: null,
    signal: context.signal,
    log: context.log.info,
  };
  if (request.resume) {
    const published = await store.findPublished(target, attempt);
    // What it moved, this attempt would not find any more.
    if (published !== undefined) return reuse(published, context);
  }
  const promise = await requireUnbroken({ asset, target, attempt, last: await lastPublish(store, target, attempt) });
  const { partitions, source, to } = body;
  const job = { target, source, column: partitions.column, to, now: request.now, isOpen: request.isOpen };
  const started = performance.now();
  return await store.withArchive(job, attempt, async (archive) => {
    await archive.tidy();
    const moved: Moved =
      request.restore.length === 0
        ? { archived: await moveCold(archive, body, request.now, context), restored: [] }
        : { archived: [], restored: await restore(archive, request.restore, context) };
    const facts = await archive.facts();
    const report = tableReport({
      ...{ asset, target, facts, checks: [], partitions: null, statement: null, rowsQuarantined: 0, differences: [] },
      profile: profileOf(target, []),
      promise,
      rowsRead: Number(rowsOf(moved.archived)),
      uri: store.uri(target),
      durations: { stage: (performance.now() - started) / 1000 },
      redact: request.redact,
    });
    const whole = { ...report, metadata: { ...report.metadata, ...(await tell(archive, body, moved)) } };
    await archive.publish(ledgerEntry(asset, target.columns, attempt, facts, whole, request.redact));
    return { outcome: "published", report: whole };
  });
}

/** Moves the partitions that ended long enough ago, some at a time. */
async function moveCold(
  archive: Archive,
  { partitions, source, olderThanMs }: Extract<ResolvedBody, { kind: "archive" }>,
  now: Date,
  { log, signal }: BodyContext,
): Promise<ArchivedFile[]> {
  const limit = now.getTime() - olderThanMs;
  const restored = await archive.restored();
  const moved: ArchivedFile[] = [];
  let batch: ArchivePartition[] = [];
  const move = async (): Promise<void> => {
    signal.throwIfAborted();
    if (batch.length > 0) moved.push(...(await archive.move(batch)));
    batch = [];
  };
  let from = firstValue(partitions, source);
  for (;;) {
    const partition = await nextHot(archive, partitions, source, from);
    if (partition === null || partition.window.end.getTime() > limit) break;
    from = partition.rows.end;
    if (restored.has(partition.key)) log.info(`${partition.key} was restored less than a day ago: it stays`);
    else batch.push(partition);
    if (batch.length === AT_ONCE) await move();
  }
  await move();
  const rows = rowsOf(moved).toLocaleString("en");
  log.info(moved.length === 0 ? "No partition has become cold" : `${moved.length} partitions archived, ${rows} rows`);
  return moved;
}

/** The first partition with rows in the table, from a value of its column on. */
async function nextHot(
  archive: Archive,
  partitions: TimePartitions,
  source: Pick<Target, "columns">,
  from: Date,
): Promise<ArchivePartition | null> {
  const first = await archive.firstHot(from);
  if (first === null) return null;
  const isDay = source.columns.some(({ name, type }) => name === partitions.column && type.kind === "date");
  const instant = isDay ? dayStart(partitions, first.getTime()) : first.getTime();
  const partition = runPartition(periodAt(partitions, instant));
  const { set } = planPartitions(partitions, source, [partition]);
  if (set.kind !== "window") throw new TypeError("the partitions are no windows");
  return { ...partition, rows: set };
}

/** Brings back partitions, each by its key or `first...last`. */
async function restore(archive: Archive, asked: readonly string[], { log }: BodyContext): Promise<ArchivedFile[]> {
  const cold = await archive.cold();
  const restored = await archive.restored();
  const keys = cold.map(({ partition }) => partition.key);
  const files = new Set<ArchivedFile>();
  for (const one of asked) {
    const [first = "", last = first, ...more] = one.split("...").map((text) => text.trim());
    const inside = (key: string): boolean => more.length === 0 && first <= key && key <= last;
    const found = cold.filter(({ partition }) => inside(partition.key));
    for (const file of found) files.add(file);
    // Another attempt of this run may have done it.
    if (found.length > 0 || [...restored].some(inside)) continue;
    throw new NotArchivedError(
      `restore: ${JSON.stringify(one)} names no archived partition; expected one of ` +
        `${keys.length === 0 ? "none, as none is archived" : `${keys[0] ?? ""} to ${keys.at(-1) ?? ""}`}, or two joined by "..."`,
    );
  }
  await archive.restore([...files]);
  log.info(`${files.size} files restored, ${rowsOf([...files]).toLocaleString("en")} rows`);
  return [...files];
}

/** What the run did, and how the archive is now. */
async function tell(
  archive: Archive,
  { partitions, source }: Extract<ResolvedBody, { kind: "archive" }>,
  { archived, restored }: Moved,
): Promise<MetadataMap> {
  const cold = await archive.cold();
  const oldest = await nextHot(archive, partitions, source, firstValue(partitions, source));
  return {
    rows_written: metadata.int(Number(rowsOf(archived))),
    rows_archived: metadata.int(Number(rowsOf(archived))),
    files_written: metadata.int(archived.length),
    bytes_written: metadata.int(bytesOf(archived)),
    rows_restored: metadata.int(Number(rowsOf(restored))),
    rows_cold: metadata.int(Number(rowsOf(cold))),
    files_cold: metadata.int(cold.length),
    bytes_cold: metadata.int(bytesOf(cold)),
    oldest_hot_partition: metadata.text(oldest?.key ?? "(none)"),
  };
}

/** The least value of the partitions' column that is of a partition. */
function firstValue(partitions: TimePartitions, source: Pick<Target, "columns">): Date {
  return new Date(columnTime(partitions, source, new Date(firstStart(partitions))));
}

function rowsOf(files: readonly ArchivedFile[]): bigint {
  return files.reduce((all, { rowCount }) => all + rowCount, 0n);
}

function bytesOf(files: readonly ArchivedFile[]): number {
  return files.reduce((all, { bytes }) => all + bytes, 0);
}
