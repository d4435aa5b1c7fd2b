import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import type { SourcePosition } from "../../definitions/fault.ts";
import type { ManifestAsset } from "../../definitions/manifest_schema.ts";
import { timeOf } from "../../definitions/partitions.ts";
import { metadata } from "../../pipes/index.ts";
import type { PublishedSnapshot, SnapshotJob, SnapshotTable } from "../../resources/snapshot.ts";
import type { StoreKind } from "../../resources/store.ts";
import { DEFAULT_STORE } from "../../resources/stores.ts";
import { startClock } from "../clock.ts";
import { loadAllAssets } from "../load_assets.ts";
import { type AssetReport, durationMetadata } from "../report.ts";
import { resolveAll, type ResolvedAsset } from "../resolve.ts";
import { describeNode, isInSuperset, SNAPSHOT_KEY, type SupersetNode } from "./nodes.ts";
import type { SupersetRunContext } from "./run_context.ts";
import { runnable } from "./runnable.ts";

/** The store whose file readers cannot open while it is written. */
const STORE: StoreKind = DEFAULT_STORE;
const DESCRIPTION =
  "The tables of DuckDB as Superset reads them: a file of views over Parquet files that never change, behind a link. " +
  "Superset waits for no publish, and no publish for Superset.";

/** Of the project's assets, those whose tables are in the snapshot: shown in Superset, and in DuckDB. */
function inSnapshot(assets: readonly ResolvedAsset[]): ResolvedAsset[] {
  return assets.filter(
    ({ defined, store, target }) => defined.options.superset !== undefined && store === STORE && target !== null,
  );
}

/**
 * The assets that the snapshot waits for, sorted. Not those that need something of Superset themselves, such as what a
 * validation of a dataset lets through: each would wait for the other. Their datasets put them into the snapshot.
 */
function followed(shown: readonly ResolvedAsset[], assets: readonly ResolvedAsset[]): string[] {
  const byKey = new Map(assets.map((asset) => [asset.key, asset]));
  const known = new Map<string, boolean>();
  const needsSuperset = (key: string): boolean => {
    const found = known.get(key);
    if (found !== undefined) return found;
    // Until it is known: assets that need each other have a fault of their own.
    known.set(key, false);
    const needs = isInSuperset(key) || (byKey.get(key)?.deps.some(needsSuperset) ?? false);
    known.set(key, needs);
    return needs;
  };
  return shown
    .map(({ key }) => key)
    .filter((key) => !needsSuperset(key))
    .sort();
}

/** The node of the snapshot as the manifest has it; none where nothing is in it. */
export function describeSnapshot(assets: readonly ResolvedAsset[], projectDir: string): ManifestAsset[] {
  const shown = inSnapshot(assets);
  const [first] = shown;
  if (first === undefined) return [];
  const node: SupersetNode = {
    key: SNAPSHOT_KEY,
    description: DESCRIPTION,
    deps: followed(shown, assets),
    sync: "onMaterialize",
    owners: [],
    codeVersion: codeVersion(shown),
    position: first.defined.position,
  };
  return [
    {
      ...describeNode(node, projectDir),
      kinds: ["superset", STORE.name],
      pool: "superset_snapshot",
      exclusive: STORE.exclusive("query"),
    },
  ];
}

/** The node of the snapshot, ready to run. */
export async function snapshotNode(project: string): Promise<ResolvedAsset> {
  const projectDir = realpathSync(project);
  const { tables, shown, deps, isKnown } = await readProject(projectDir);
  const position: SourcePosition = shown[0]?.defined.position ?? { file: projectDir, line: 1 };
  const run = async (context: SupersetRunContext): Promise<AssetReport> => {
    const clock = startClock();
    const found = await publish(context, { tables, keepOthers: !isKnown });
    // The same each time: by another version Dagster would show every dataset as out of date when one table has changed.
    return { dataVersion: "current", metadata: tell(found, clock()), checks: [], partitions: null };
  };
  return runnable({
    key: SNAPSHOT_KEY,
    description: DESCRIPTION,
    deps,
    store: STORE,
    position,
    codeVersion: codeVersion(shown),
    run,
  });
}

/**
 * Makes sure that Superset finds the rows of an asset as Dagster has recorded them: the snapshot may have been made before
 * they were, by a run that was under way. Without Dagster nobody knows, so whatever changed is published.
 */
export async function requireInSnapshot(asset: ResolvedAsset, context: SupersetRunContext): Promise<void> {
  // Any other store Superset reads itself.
  if (asset.store !== STORE || asset.target === null) return;
  const recorded = context.upstream?.[asset.key] ?? undefined;
  const isOften = asset.defined.options.partitions !== undefined;
  const needed =
    recorded === undefined
      ? undefined
      : { assetKey: asset.key, runId: recorded.runId, doneAt: isOften ? new Date(recorded.at) : null };
  // The other tables stay as they are in it: what is declared of them, this step need not read.
  await publish(context, { tables: [tableOf(asset)], keepOthers: true, needed });
}

async function publish(
  { projectDir, env, runId, signal, log }: SupersetRunContext,
  job: Omit<SnapshotJob, "now">,
): Promise<PublishedSnapshot> {
  const store = await STORE.open(projectDir, env);
  if (store.publishSnapshot === undefined) throw new TypeError(`${STORE.name} has no snapshots`);
  const startedAt = new Date();
  const attempt = { runId, rootRunId: runId, codeVersion: "", startedAt, signal, log: log.info };
  try {
    return await store.publishSnapshot({ ...job, now: startedAt }, attempt);
  } finally {
    await store.close();
  }
}

async function readProject(projectDir: string): Promise<{
  readonly shown: readonly ResolvedAsset[];
  readonly deps: readonly string[];
  readonly tables: readonly SnapshotTable[];
  /** Whether all that is declared could be read. */
  readonly isKnown: boolean;
}> {
  const loaded = await loadAllAssets(projectDir);
  const resolved = resolveAll(loaded, projectDir);
  const shown = inSnapshot(resolved);
  const isKnown = loaded.faults.length === 0 && resolved.every((one) => one.faults.length === 0);
  return { shown, deps: followed(shown, resolved), tables: shown.map(tableOf), isKnown };
}

function tableOf({ key, target, body, defined }: ResolvedAsset): SnapshotTable {
  const { partitions } = body.kind === "archive" ? body : defined.options;
  const timeColumn = partitions === undefined ? undefined : timeOf(partitions)?.column;
  return { assetKey: key, schema: target?.schema ?? "", table: target?.table ?? "", timeColumn: timeColumn ?? null };
}

/** Changes with the list of the tables. */
function codeVersion(shown: readonly ResolvedAsset[]): string {
  const keys = shown.map(({ key }) => key).sort();
  return createHash("sha256").update(keys.join("\n")).digest("hex").slice(0, 16);
}

function tell(found: PublishedSnapshot, seconds: number): AssetReport["metadata"] {
  const rows = found.tables.map(({ schema, table, rowCount }) => `- ${schema}.${table}: ${rowCount} rows`);
  return {
    snapshot: metadata.text(found.id),
    path: metadata.path(found.path),
    tables: metadata.md(rows.length === 0 ? "(none)" : rows.join("\n")),
    ...(found.missing.length === 0 ? {} : { not_there_yet: metadata.text(found.missing.join(", ")) }),
    is_new: metadata.bool(found.isNew),
    files_written: metadata.int(found.filesWritten),
    bytes_written: metadata.int(found.bytesWritten),
    snapshots_removed: metadata.int(found.snapshotsRemoved),
    ...durationMetadata({ publish: seconds }),
  };
}
