import type { Check } from "../definitions/check.ts";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import type { MaterializedView } from "../definitions/body.ts";
import type { Sql } from "../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../definitions/tick.ts";
import type { Storage } from "../definitions/storage.ts";
import type { Archive, ArchiveJob } from "./archive.ts";
import type { BulkSource } from "./bulk_source.ts";
import type { CopiedColumns } from "./store_sources.ts";
import type { Buckets, PartitionSet } from "./partition_set.ts";
import type { Claim, Disproof } from "./proof.ts";
import type { FrozenTables } from "./frozen_tables.ts";
import type { CheckContext, CheckOutcome, FailedRow, Sample } from "./check_outcome.ts";
import type { PublishedSnapshot, SnapshotJob } from "./snapshot.ts";
import type { KeptRow, QuarantinedRow, Replay } from "./store_quarantine.ts";

export type { Archive, ArchivedFile, ArchivePartition } from "./archive.ts";
export type { BulkSource } from "./bulk_source.ts";
export type { KeptRow, QuarantinedRow, Replay } from "./store_quarantine.ts";
export type { CopiedColumns } from "./store_sources.ts";
export type { Bucketing, Buckets, PartitionCondition, PartitionSet } from "./partition_set.ts";
export type { Claim, Disproof } from "./proof.ts";
export type {
  BucketCounts,
  CheckContext,
  CheckOutcome,
  EarlierPublish,
  FailedRow,
  Sample,
  TextReader,
} from "./check_outcome.ts";

/**
 * How staged rows become the table's. All are idempotent: the same run twice, or a run killed anywhere and run again,
 * leaves the same table.
 *
 * - `replace`: the staged rows are the table.
 * - `replacePartitions`: the rows of the partitions are replaced, all others stay. A staged row outside of them is a
 *   broken contract.
 * - `append`: the rows are added, once per root run.
 * - `merge`: rows with the same key are replaced, the others added. A key that is staged twice is a broken contract.
 *
 * All but `replace` keep the table: when its columns are not the contract's, new nullable ones are added, and any other
 * difference is a broken contract.
 */
export type WriteStrategy =
  | { readonly kind: "replace" }
  | { readonly kind: "replacePartitions"; readonly partitions: PartitionSet }
  | { readonly kind: "append" }
  | { readonly kind: "merge"; readonly key: readonly string[] };

/** The table that a run is about to write. */
export interface Target {
  /** `schema/table`. */
  readonly assetKey: string;
  readonly schema: string;
  readonly table: string;
  readonly description: string;
  readonly columns: readonly Column[];
  /** The columns that name one row; empty where the asset does not say. */
  readonly key: readonly string[];
  readonly storage: Storage;
  readonly strategy: WriteStrategy;
  /** The column whose greatest staged value is asked for with the facts. */
  readonly cursorColumn?: string | undefined;
  /** Only for runs of partitions. */
  readonly buckets?: Buckets | undefined;
}

/** What a materialised view is to be, for the store to say whether it can. */
export interface ViewShape {
  readonly refresh: MaterializedView["refresh"];
  readonly key: readonly string[];
  readonly isPartitioned: boolean;
  /** Names of the checks that would keep rows from readers. */
  readonly blockingChecks: readonly string[];
}

/** Who writes, and which code: recorded in the ledger beside the rows. */
export interface Attempt {
  readonly runId: string;
  readonly rootRunId: string;
  readonly codeVersion: string;
  readonly startedAt: Date;
  /** The partitions that it computes; without partitions `null` or absent. */
  readonly partitionKeys?: readonly string[] | null | undefined;
  /** Absent but for a replay. An attempt that publishes nothing leaves the quarantine as it was then. */
  readonly replay?: Replay | undefined;
  /** Ends waits, for example on a lock. */
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
}

/** Values for the window placeholders of a query; `null` without time partitions. */
export interface QueryWindow {
  readonly start: Date;
  readonly end: Date;
}

/** The rows of one bucket. */
export interface BucketFacts {
  readonly rowCount: bigint;
  /** Of the hashes of the rows. */
  readonly sums: readonly bigint[];
}

/** What is known of the staged rows before they are published. */
export interface StagedFacts {
  readonly rowCount: bigint;
  /** Changes when any row does; not when only their order does. */
  readonly contentHash: string;
  readonly sample: Sample;
  /** The greatest value of the cursor's column, an instant as ISO text; `null` without such a column, or without rows. */
  readonly cursor: string | null;
  /** By bucket; `null` without buckets. */
  readonly buckets: ReadonlyMap<string, BucketFacts> | null;
  /** The content hash of the rows of some buckets. */
  readonly hashOf: (buckets: readonly BucketFacts[]) => string;
}

/** By which a publish is found again. */
export type PublishedBy = Pick<LedgerEntry, "assetKey" | "rootRunId" | "codeVersion"> & Pick<Attempt, "partitionKeys">;

/** A column of a table that was published. */
export interface PublishedColumn {
  readonly name: string;
  /** The store's own name of it. */
  readonly type: string;
  readonly nullable: boolean;
  /** Of a column that the contract did not have: what it is. */
  readonly evolved?: ColumnType | undefined;
}

/** One line of the ledger: what a publish was. */
export interface LedgerEntry {
  readonly assetKey: string;
  readonly runId: string;
  readonly rootRunId: string;
  readonly codeVersion: string;
  readonly partitionKeys: readonly string[] | null;
  readonly rowCount: bigint;
  readonly columns: readonly PublishedColumn[];
  readonly contentHash: string;
  readonly startedAt: Date;
  /** Where an incremental source goes on next time, in the source's own form; `null` without one. */
  readonly cursor: string | null;
  /**
   * The cursor from which the rows were read; `undefined`: from none. When it is not the latest any more, another run has
   * published rows that these would double: nothing is published then.
   */
  readonly after?: string | null | undefined;
  /** Of a replay the run of the latest publish when its rows were read, with the same consequence. */
  readonly replayAfter?: string | undefined;
  /** What was to be reported to Dagster, as JSON: reported again if the process died before it could. */
  readonly report: string;
}

/** Rows on their way into staging. */
export interface RowWriter {
  /** Appends validated rows. Wait for it: a store that sends them away says by it when it can take more. */
  append(rows: readonly Readonly<Record<string, unknown>>[]): void | Promise<void>;
  quarantine(row: QuarantinedRow): void;
  /** Ends writing. */
  finish(): Promise<Staged>;
  /** Ends writing; keeps only the quarantined rows, for people to look at. */
  fail(): Promise<void>;
  /** Forgets everything that was written. */
  discard(): Promise<void>;
}

/** Rows that nobody reads yet. */
export interface Staged {
  /** The statement that made them, for people; `null` where rows came from TypeScript. */
  readonly statement: string | null;
  /**
   * Runs checks on the staged rows. Checks that read other tables make a file store wait for its lock.
   *
   * @param context By default nothing but the rows.
   */
  check(checks: readonly Check[], context?: CheckContext): Promise<readonly CheckOutcome[]>;
  /** Whether a check has ended the transaction of the rows, so that they cannot be published any more. */
  readonly isSpoilt?: boolean;
  facts(): Promise<StagedFacts>;
  /**
   * Atomically makes the rows the table's, together with their ledger entry.
   *
   * @returns the entry that stands: the one given, or that of an earlier publish which has added the rows already
   * @throws CursorMovedError when another run has published since the rows were read
   */
  publish(entry: LedgerEntry): Promise<LedgerEntry>;
  /** Drops the rows; the table stays as it is. */
  discard(): Promise<void>;
}

/** What is known of a kind of store without opening one. */
export interface StoreKind {
  /** Such as `"duckdb"`; also the dialect that picks `name.<dialect>.sql`. */
  readonly name: string;
  /** The name of a column's type in the store's SQL. */
  readonly typeName: (type: ColumnType) => string;
  /** Casts to the first instant, and to the first day, that the store holds. */
  readonly earliest: string;
  /**
   * Steps of one run with the same value run one at a time, since they would only wait for each other; `null`: no limit.
   */
  readonly exclusive: (body: "query" | "rows" | "copy") => string | null;
  /** Why a materialised view of this shape cannot be; `undefined`: it can. */
  readonly viewFault: (view: ViewShape) => string | undefined;
  /** Why an archive in this folder or bucket cannot be; `undefined`: it can. */
  readonly archiveFault: (to: string) => string | undefined;
  /** Why its tables cannot be compared with those of a kind of store; absent: they can, with all that can. */
  readonly diffFault?: (other: string) => string | undefined;
  /** The formats that `stageCopy` reads. */
  readonly bulkFormats: ReadonlySet<BulkSource["format"]>;
  /** The table as other stores may read it in bulk, without this store's help; `undefined`: they cannot. */
  readonly bulkSource: (target: Target, env: Environment) => BulkSource | undefined;
  /** Loads the driver. Opens no connection yet. */
  readonly open: (projectDir: string, env: Environment) => Promise<Store>;
  /** Binds SQL against empty tables with the contracts' columns, in the engine itself. Nothing is run. */
  readonly prove: (claims: readonly Claim[], projectDir: string, env: Environment) => Promise<Disproof[]>;
}

/** The environment variables from which a store reads its configuration. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A place where tables live. One folder each in `resources/`. */
export interface Store {
  /** Where the table is, for people, without secrets. */
  uri(target: Target): string;
  /** What an earlier attempt of the same run published, if it did. */
  findPublished(target: Target, attempt: Attempt): Promise<LedgerEntry | undefined>;
  /** The cursor of the latest publish, or `null` when there is none. */
  lastCursor(target: Target, attempt: Attempt): Promise<string | null>;
  /** The latest lines of the ledger, at most so many, the last one first: of runs of partitions, or of others, or of all. */
  recentPublishes(
    target: Target,
    attempt: Attempt,
    options: { readonly limit: number; readonly ofPartitions: boolean | null },
  ): Promise<readonly LedgerEntry[]>;
  /**
   * Replaces the rows that failed the asset's checks by those of this run and these partitions; those of other partitions
   * of the same run stay.
   */
  keepFailedRows(target: Target, attempt: Attempt, rows: readonly FailedRow[]): Promise<void>;
  /**
   * Runs checks on the rows that are published, of all partitions or of those given, and changes nothing.
   *
   * @param scope `null`: the whole table.
   */
  checkPublished(
    target: Target,
    scope: PartitionSet | null,
    checks: readonly Check[],
    context: CheckContext,
    attempt: Attempt,
  ): Promise<readonly CheckOutcome[]>;
  /** The highest value of a column as text, instants in UTC; `null` without rows and without the table. */
  maxOf(
    target: Pick<Target, "assetKey" | "schema" | "table">,
    column: string,
    attempt: Attempt,
  ): Promise<string | null>;
  /** Counts the rows that arrived since a time by the time that they are about; `null` without the table. */
  arrivals(target: Target, query: ArrivalsQuery, attempt: Attempt): Promise<Arrivals | null>;
  /** The latest publish of each partition that has one; of the table as a whole, under `""`, where `keys` is `null`. */
  lastPublishes(
    target: Target,
    keys: readonly string[] | null,
    attempt: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>>;
  stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged>;
  /** Refreshes a materialised view, or makes it, so that the new rows can be checked before anybody reads them. */
  stageView(
    target: Target,
    sql: Sql,
    refresh: MaterializedView["refresh"],
    window: QueryWindow | null,
    attempt: Attempt,
  ): Promise<Staged>;
  stageCopy(target: Target, source: BulkSource, columns: CopiedColumns, attempt: Attempt): Promise<Staged>;
  stageRows(target: Target, attempt: Attempt): Promise<RowWriter>;
  /** The asset's quarantined rows, in the order in which they came. */
  quarantined(target: Target, attempt: Attempt): Promise<readonly KeptRow[]>;
  /**
   * Writes all rows of a table to a new Parquet file, with the types of the contract: the common ground of the stores.
   *
   * @param query Of which the rows are to be written, instead of the table: in exactly the columns of the target.
   */
  exportParquet(target: Target, path: string, attempt: Attempt, query?: Sql): Promise<void>;
  /** Lends tables as they are at one moment, to be compared. Absent where {@link StoreKind.diffFault} says so. */
  withFrozenTables?<T>(attempt: Attempt, act: (snapshot: FrozenTables) => Promise<T>): Promise<T>;
  /** Lends an archive to one run. Absent where {@link StoreKind.archiveFault} says that none can be. */
  withArchive?<T>(job: ArchiveJob, attempt: Attempt, act: (archive: Archive) => Promise<T>): Promise<T>;
  /** Shows tables to readers elsewhere, as they are now. Absent where everybody reads the store itself. */
  publishSnapshot?(job: SnapshotJob, attempt: Attempt): Promise<PublishedSnapshot>;
  /**
   * Removes what killed attempts left.
   *
   * @param isOpen Whether the orchestrator may still be running the run.
   */
  removeOrphans(isOpen: (runId: string) => boolean): Promise<void>;
  close(): Promise<void>;
}
