import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type PublishedSnapshot,
  type PublishedTable,
  SNAPSHOT_FILE,
  SnapshotError,
  type SnapshotJob,
} from "../snapshot.ts";
import { StatementError } from "../errors.ts";
import type { Attempt } from "../store.ts";
import { Client } from "./client.ts";
import { type DuckDBConfig, requireOtherName } from "./config.ts";
import { interruptible } from "./interruptible.ts";
import { recentRuns } from "./ledger.ts";
import { createView, exportPart, fileName, partsOf, readTable, type TableState } from "./snapshot_tables.ts";
import { type Contents, SnapshotFolder } from "./snapshot_folder.ts";

/** A table, and the names of its files. */
type Located = TableState & Pick<PublishedTable, "files" | "runs">;

/**
 * Publishes what has changed since the last snapshot: new Parquet files for changed tables and months, a small file of
 * views over all of them, and then the link. Readers have the old snapshot or the new one, all of it; so has whoever
 * comes after a crash at any moment, and the next run removes what the crash left.
 *
 * @param open Opens the warehouse; it is held meanwhile, so that nobody else writes it or makes a snapshot of it.
 * @throws SnapshotError
 */
export async function publishSnapshot(
  open: () => Promise<Client>,
  config: Pick<DuckDBConfig, "path" | "publishedDir" | "keepSnapshotsMs">,
  job: SnapshotJob,
  attempt: Pick<Attempt, "log" | "signal">,
): Promise<PublishedSnapshot> {
  const folder = new SnapshotFolder(config.publishedDir);
  const present = folder.current();
  if (present !== undefined && folder.isWhole(present.contents) && hasRows(present.contents, job.needed))
    return { ...present.contents, ...UNCHANGED, id: present.id, path: pathOf(config) };
  if (!existsSync(config.path))
    throw new SnapshotError(`There is no warehouse at ${config.path} yet: materialize an asset first`);
  return await interruptible(await open(), attempt, async (warehouse) => {
    try {
      return await publishChanges(warehouse, folder, config, job, attempt.log);
    } catch (error) {
      throw snapshotError(config.publishedDir, error);
    }
  });
}

const UNCHANGED = { isNew: false, missing: [], filesWritten: 0, bytesWritten: 0, snapshotsRemoved: 0 };

function pathOf({ publishedDir }: Pick<DuckDBConfig, "publishedDir">): string {
  return join(publishedDir, "current", SNAPSHOT_FILE);
}

function hasRows({ tables, checkedAt }: Contents, needed: SnapshotJob["needed"]): boolean {
  if (needed === undefined || (needed.doneAt !== null && needed.doneAt >= new Date(checkedAt))) return false;
  return tables.some(
    ({ schema, table, runs }) => `${schema}/${table}` === needed.assetKey && runs.includes(needed.runId),
  );
}

async function publishChanges(
  warehouse: Client,
  folder: SnapshotFolder,
  config: Pick<DuckDBConfig, "path" | "publishedDir" | "keepSnapshotsMs">,
  job: SnapshotJob,
  log: (message: string) => void,
): Promise<PublishedSnapshot> {
  const checkedAt = new Date().toISOString();
  await folder.tidy(config.path);
  const before = folder.current();
  const [[engine] = []] = (await warehouse.text("SELECT version()")).rows;
  const { states, missing } = await readTables(warehouse, job, before?.contents.tables ?? []);
  const located: Located[] = [];
  for (const state of states) {
    const files = state.parts.map((part) => fileName(state, part, engine ?? ""));
    located.push({ ...state, files, runs: await recentRuns(warehouse, `${state.schema}/${state.table}`, RUNS) });
  }
  const tables = located.map(published);
  const version = digest(tables.map(({ schema, table, version: own }) => [schema, table, own]));
  const found = { version, tables, missing, path: pathOf(config) };
  const whole = before !== undefined && folder.isWhole(before.contents) ? before : undefined;
  if (whole?.contents.version === version) {
    await folder.note(whole.id, { ...whole.contents, checkedAt, tables });
    const snapshotsRemoved = await folder.retire(job.now, config.keepSnapshotsMs);
    return { ...UNCHANGED, ...found, id: whole.id, snapshotsRemoved };
  }
  let [filesWritten, bytesWritten] = [0, 0];
  for (const state of located)
    for (const [index, part] of state.parts.entries()) {
      const bytes = await folder.put(state.files[index] ?? "", (path) => exportPart(warehouse, state, part, path));
      filesWritten += bytes > 0 ? 1 : 0;
      bytesWritten += bytes;
    }
  const proven = new Set(whole?.contents.tables.map((table) => table.version));
  const isProven = (state: Located): boolean => proven.has(published(state).version);
  const made = { version, source: config.path, checkedAt, tables };
  const id = await folder.publish(job.now, made, (path) => writeViews(path, located, folder, isProven));
  log(`Snapshot ${id}: ${tables.length} tables, ${filesWritten} files written`);
  const snapshotsRemoved = await folder.retire(job.now, config.keepSnapshotsMs);
  return { ...found, id, isNew: true, filesWritten, bytesWritten, snapshotsRemoved };
}

/** A run whose rows are older than those of so many others has nobody who waits for it. */
const RUNS = 100;

async function readTables(
  warehouse: Client,
  { tables, keepOthers }: SnapshotJob,
  before: readonly PublishedTable[],
): Promise<{ readonly states: readonly TableState[]; readonly missing: readonly string[] }> {
  const asked = new Map(tables.map((one) => [one.assetKey, one]));
  if (keepOthers)
    for (const { schema, table, timeColumn } of before) {
      const assetKey = `${schema}/${table}`;
      if (!asked.has(assetKey)) asked.set(assetKey, { assetKey, schema, table, timeColumn });
    }
  const [states, missing]: [TableState[], string[]] = [[], []];
  for (const one of [...asked.values()].sort((a, b) => (a.assetKey < b.assetKey ? -1 : 1))) {
    requireOtherName(SNAPSHOT_FILE, one);
    const state = await readTable(warehouse, one);
    if (state === undefined) missing.push(one.assetKey);
    else states.push(state);
  }
  return { states, missing };
}

function published({ schema, table, timeColumn, comment, columns, parts, files, runs }: Located): PublishedTable {
  const rowCount = String(parts.reduce((all, part) => all + part.rowCount, 0n));
  return { schema, table, timeColumn, rowCount, version: digest([comment, columns, files]), files, runs };
}

/** Makes the file of views, and reads through it what readers will, of tables that changed. */
async function writeViews(
  path: string,
  tables: readonly Located[],
  folder: SnapshotFolder,
  isProven: (state: Located) => boolean,
): Promise<void> {
  const client = await Client.open(path);
  try {
    for (const state of tables) {
      await createView(client, state, state.files.map((name) => folder.fileOf(name))); // prettier-ignore
      if (isProven(state)) continue;
      const found = await partsOf(client, state);
      if (JSON.stringify(found, text) !== JSON.stringify(state.parts, text))
        throw new SnapshotError(
          `${state.schema}.${state.table} reads otherwise from its Parquet files than from the warehouse; ` +
            "readers have the snapshot before. Remove its files in the folder of snapshots, and run again",
        );
    }
    await client.run("CHECKPOINT");
  } finally {
    client.close();
  }
}

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}

/** What could not be written, and what to do; other errors as they are. */
function snapshotError(folder: string, error: unknown): unknown {
  const engine = error instanceof StatementError && error.cause instanceof Error ? error.cause.message : null;
  const isPlace = engine === null ? error instanceof Error && "syscall" in error : engine.startsWith("IO Error");
  if (!isPlace) return error;
  const message = engine ?? (error as Error).message;
  return new SnapshotError(
    `No snapshot could be published in ${folder}; readers have the one before: ${message}. ` +
      "Make room there, let this user write there, or name another folder in DUCKDB_PUBLISHED_DIR",
    { cause: error },
  );
}
