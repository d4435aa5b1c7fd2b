import { ProjectError } from "../definitions/project_error.ts";
import type { LedgerEntry, PartitionSet, StagedFacts, Target } from "./store.ts";

/** What an archive moves, and where to. */
export interface ArchiveJob {
  /** The view over hot and cold rows. */
  readonly target: Target;
  /** The table with the hot rows. */
  readonly source: Target;
  /** The column by which the source is partitioned. */
  readonly column: string;
  /** A folder, relative to the project, or `s3://bucket/prefix`. */
  readonly to: string;
  /** The clock of the run. */
  readonly now: Date;
  /** Whether the orchestrator may still be running a run. */
  readonly isOpen: (runId: string) => boolean;
}

/** A whole partition, as its rows' column says it. */
export interface ArchivePartition {
  readonly key: string;
  /** The condition on its rows. */
  readonly rows: Extract<PartitionSet, { kind: "window" }>;
  /** When it begins and ends; other than `rows` where the column holds days of a time zone. */
  readonly window: { readonly start: Date; readonly end: Date };
}

/** A Parquet file with the rows of one partition. */
export interface ArchivedFile {
  readonly partition: ArchivePartition;
  /** As the asset declared it when the file was written. */
  readonly to: string;
  /** Path below `to`. */
  readonly name: string;
  readonly rowCount: bigint;
  readonly bytes: number;
  /** Of the bytes, in hexadecimal; `null` in a bucket. */
  readonly sha256: string | null;
  /** The sum of the rows' hashes, and what engine made them. */
  readonly sum: bigint;
  readonly engine: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** An archive in the hands of one run. */
export interface Archive {
  /**
   * Removes what killed runs left behind, and files of partitions that were restored long ago. Then every file that the
   * view reads is there, as long as it was written.
   *
   * @throws ArchiveDamagedError
   */
  tidy(): Promise<void>;
  /** What is in files, oldest first. */
  cold(): Promise<readonly ArchivedFile[]>;
  /** Keys of the partitions that were restored less than a day ago. */
  restored(): Promise<ReadonlySet<string>>;
  /** The earliest value of the partitions' column in the table, from `from` on; a day as its midnight in UTC. */
  firstHot(from: Date): Promise<Date | null>;
  /**
   * Writes a file for each partition, reads it back, and in one transaction deletes the rows and switches the view.
   *
   * @throws ArchiveDamagedError where a file does not read back as what was written; nothing is deleted then
   */
  move(partitions: readonly ArchivePartition[]): Promise<readonly ArchivedFile[]>;
  /** Takes files back into the table, in one transaction. @throws ArchiveDamagedError */
  restore(files: readonly ArchivedFile[]): Promise<void>;
  /** Of all rows, hot and cold: the same wherever a row is. */
  facts(): Promise<StagedFacts>;
  /** Makes the view what it should be, with a line of the ledger. */
  publish(entry: LedgerEntry): Promise<void>;
}

/** A file of an archive is missing, or not as it was written. */
export class ArchiveDamagedError extends ProjectError {
  readonly code = "archive_damaged";
  readonly retryable = false;
}

/** The place of an archive has no room, or cannot be reached or written. */
export class ArchivePlaceError extends ProjectError {
  readonly code = "archive_not_writable";
  readonly retryable = true;
}

/** Rows are archived that a run would write, or miss where it reads the table. */
export class ArchivedError extends ProjectError {
  readonly code = "partition_archived";
  readonly retryable = false;
}

const MAX_SHOWN = 3;

/** The error for files that are not as they were written. */
export function damagedFiles(archiveKey: string, what: readonly string[]): ArchiveDamagedError {
  const rest = what.length - MAX_SHOWN;
  return new ArchiveDamagedError(
    `${archiveKey}: ${what.slice(0, MAX_SHOWN).join("; ")}${rest > 0 ? `; and ${rest} more files` : ""}. ` +
      "Nothing was moved or deleted. Put the files back from a backup",
  );
}

/** The error for a run that would write archived partitions. */
export function archivedWrite(assetKey: string, archiveKey: string, keys: readonly string[]): ArchivedError {
  return new ArchivedError(
    `${assetKey}: ${listed(keys)} ${keys.length === 1 ? "is" : "are"} archived by ${archiveKey}, so its rows would be ` +
      `there twice; nothing was published. Restore first: materialize ${archiveKey} with the run configuration ` +
      `restore: ${restoreConfig(keys)}`,
  );
}

/** The error for a run that would read a table without its archived rows. */
export function archivedRead(
  assetKey: string,
  read: { readonly key: string; readonly archive: string; readonly partitions: readonly string[] },
): ArchivedError {
  return new ArchivedError(
    `${assetKey} reads ${read.key}, of which ${listed(read.partitions)} ${read.partitions.length === 1 ? "is" : "are"} ` +
      `archived: it would miss those rows; nothing was published. Read ${read.archive} instead, which has all rows, or ` +
      `restore first: materialize ${read.archive} with the run configuration restore: ${restoreConfig(read.partitions)}`,
  );
}

/** As the run configuration takes it: one key, or the first and the last of them. */
function restoreConfig(keys: readonly string[]): string {
  const [first = "", last = first] = [keys[0], keys.at(-1)];
  return JSON.stringify([first === last ? first : `${first}...${last}`]);
}

/** Such as `2017-01-01, 2017-01-02 and 8 more partitions`. */
export function listed(keys: readonly string[]): string {
  const rest = keys.length - MAX_SHOWN;
  const shown = keys.slice(0, MAX_SHOWN).join(", ");
  return rest > 0
    ? `${shown} and ${rest} more partitions`
    : `${keys.length === 1 ? "partition" : "partitions"} ${shown}`;
}
