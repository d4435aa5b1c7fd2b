import { dirname, join, resolve } from "node:path";
import { ProjectError } from "../definitions/project_error.ts";
import type { Environment } from "./store.ts";

/** A table that readers find in a published snapshot. */
export interface SnapshotTable {
  /** `schema/table`. */
  readonly assetKey: string;
  readonly schema: string;
  readonly table: string;
  /** The column of its time partitions, by whose months it is split into files; `null`: it is one file. */
  readonly timeColumn: string | null;
}

/** What a reader is about to show: where the present snapshot surely has it, nothing is looked at. */
export interface NeededRows {
  readonly assetKey: string;
  /** The latest run that published the asset. */
  readonly runId: string;
  /** When it was done, where a run publishes more than once; `null`: the snapshot has all of its rows or none. */
  readonly doneAt: Date | null;
}

/** What is to be published. */
export interface SnapshotJob {
  readonly tables: readonly SnapshotTable[];
  /** Whether tables of the present snapshot stay that are not listed, because it is not known what is declared. */
  readonly keepOthers: boolean;
  readonly needed?: NeededRows | undefined;
  readonly now: Date;
}

/** A table as a snapshot has it. */
export interface PublishedTable {
  readonly schema: string;
  readonly table: string;
  /** By whose months it is split; `null`: it is one file. */
  readonly timeColumn: string | null;
  readonly rowCount: string;
  /** Changes when any row, column or comment does. */
  readonly version: string;
  /** Paths of its Parquet files, below the folder of files. */
  readonly files: readonly string[];
  /** The latest runs whose rows it has, as the ledger says. */
  readonly runs: readonly string[];
}

/** The snapshot that readers find after a run. */
export interface PublishedSnapshot {
  readonly id: string;
  /** Absolute path of the file that readers open, by the link. */
  readonly path: string;
  /** Whether this run made it; else nothing had changed. */
  readonly isNew: boolean;
  /** Changes when any of its tables does. */
  readonly version: string;
  readonly tables: readonly PublishedTable[];
  /** Keys of tables that are not there yet. */
  readonly missing: readonly string[];
  readonly filesWritten: number;
  readonly bytesWritten: number;
  readonly snapshotsRemoved: number;
}

/** A snapshot could not be written; readers have the one before. */
export class SnapshotError extends ProjectError {
  readonly code = "snapshot_not_published";
  readonly retryable = false;
}

/** The name of the file in each snapshot: DuckDB calls its catalog by it, so it is always the same. */
export const SNAPSHOT_FILE = "warehouse.duckdb";

/**
 * Where the snapshots of a DuckDB warehouse are: `DUCKDB_PUBLISHED_DIR`, else the folder `published` beside the file.
 *
 * @returns an absolute path
 */
export function publishedFolder(projectDir: string, env: Environment): string {
  const named = env["DUCKDB_PUBLISHED_DIR"] ?? "";
  const warehouse = resolve(projectDir, env["DUCKDB_PATH"] ?? join("data", "warehouse.duckdb"));
  return named === "" ? join(dirname(warehouse), "published") : resolve(projectDir, named);
}

/** The file that readers of a DuckDB warehouse open: the latest snapshot, whichever that is. An absolute path. */
export function currentSnapshot(projectDir: string, env: Environment): string {
  return join(publishedFolder(projectDir, env), "current", SNAPSHOT_FILE);
}
