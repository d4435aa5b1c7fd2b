import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Check } from "../../definitions/check.ts";
import type { ParquetSource } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../definitions/tick.ts";
import type { Archive, ArchiveJob } from "../archive.ts";
import { archiveFolder, type ArchivePlace } from "../archive_folder.ts";
import { runChecks } from "../checks.ts";
import { NothingPublishedError } from "../errors.ts";
import type { RecentOptions } from "../ledger_entry.ts";
import { publishedRows } from "../published_rows.ts";
import { renderSql, type Statement, tablesOf } from "../render_sql.ts";
import type { FrozenTables } from "../frozen_tables.ts";
import type {
  Attempt,
  BulkSource,
  CheckContext,
  CheckOutcome,
  CopiedColumns,
  FailedRow,
  KeptRow,
  LedgerEntry,
  PartitionSet,
  QueryWindow,
  RowWriter,
  Staged,
  Store,
  Target,
} from "../store.ts";
import { DuckDBArchive } from "./archive.ts";
import { archivePlaces, requireNotArchived, requireReadable } from "./archive_files.ts";
import { archiveBucket, isBucket, openBuckets } from "./bucket.ts";
import { type Client, openWaiting } from "./client.ts";
import { type DuckDBConfig, requireOtherName } from "./config.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import { createFile } from "./create_file.ts";
import { duckdbDialect } from "./dialect.ts";
import { WarehouseLockedError } from "./errors.ts";
import { exportTable } from "./export.ts";
import { copyFromPostgres } from "./from_postgres.ts";
import { findLedgerEntry, keepFailedRows, lastCursor, publishesOf, quarantinedRows, recentEntries } from "./ledger.ts";
import { interruptible } from "./interruptible.ts";
import { arrivalsOf, maxOf } from "./max_of.ts";
import { requireContract } from "./contract.ts";
import { WarehouseStaged } from "./publish.ts";
import { parquetQuery } from "../parquet_rows.ts";
import { literal, quote } from "../quote.ts";
import type { PublishedSnapshot, SnapshotJob } from "../snapshot.ts";
import { SideFileWriter } from "./row_writer.ts";
import { ROWS, SideFile, withoutCompression } from "./side_file.ts";
import { SideFileStaged } from "./side_file_staged.ts";
import { publishSnapshot } from "./snapshot.ts";
import { withFrozenTables } from "./frozen_tables.ts";
import { removeOrphanFolders } from "../owned_folders.ts";
import { keepsTable } from "./write.ts";

/**
 * Tables in one DuckDB file. One process at a time may write the file: queries and copies of Parquet files, which are as
 * quick as the engine, hold it; `rows` bodies and copies from elsewhere stage into a side file and hold it only for their
 * publish.
 */
export class DuckDBStore implements Store {
  readonly #config: DuckDBConfig;
  readonly #projectDir: string;
  /** Kept open from one query to the next in the same process; closed before anything slow. */
  #warehouse: Client | undefined;

  constructor(config: DuckDBConfig, projectDir: string) {
    this.#config = config;
    this.#projectDir = projectDir;
  }

  uri({ assetKey }: Target): string {
    return `duckdb://${this.#config.path}#${assetKey.replace("/", ".")}`;
  }

  async findPublished(target: Target, attempt: Attempt): Promise<LedgerEntry | undefined> {
    requireOtherName(this.#config.path, target);
    const warehouse = await this.#open(attempt);
    return await findLedgerEntry(warehouse, { ...attempt, assetKey: target.assetKey });
  }

  async lastCursor({ assetKey }: Target, attempt: Attempt): Promise<string | null> {
    return await lastCursor(await this.#open(attempt), assetKey);
  }

  async recentPublishes(target: Target, attempt: Attempt, options: RecentOptions): Promise<readonly LedgerEntry[]> {
    return await recentEntries(await this.#open(attempt), target.assetKey, options);
  }

  async keepFailedRows(target: Target, attempt: Attempt, rows: readonly FailedRow[]): Promise<void> {
    await keepFailedRows(await this.#open(attempt), target.assetKey, attempt, rows);
  }

  async checkPublished(
    target: Target,
    scope: PartitionSet | null,
    checks: readonly Check[],
    context: CheckContext,
    attempt: Attempt,
  ): Promise<readonly CheckOutcome[]> {
    // To look must not make a warehouse.
    if (!existsSync(this.#config.path)) throw new NothingPublishedError(target.assetKey);
    const rows = publishedRows(DUCKDB_CHECKS, literal, target, scope);
    return await interruptible(await this.#open(attempt), attempt, async (warehouse) => {
      // Of rows that are not there any more, none is bad.
      if (scope !== null) await requireReadable(warehouse, "the check", [target.assetKey], context.window);
      return await runChecks(warehouse, DUCKDB_CHECKS, rows, checks, context);
    });
  }

  async maxOf(of: Pick<Target, "schema" | "table">, column: string, attempt: Attempt): Promise<string | null> {
    return (await this.#look(attempt, (warehouse) => maxOf(warehouse, of.schema, of.table, column))) ?? null;
  }

  async arrivals(target: Target, query: ArrivalsQuery, attempt: Attempt): Promise<Arrivals | null> {
    return (await this.#look(attempt, (warehouse) => arrivalsOf(warehouse, target, query))) ?? null;
  }

  async lastPublishes(
    { assetKey }: Target,
    keys: readonly string[] | null,
    attempt: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>> {
    return (await this.#look(attempt, (warehouse) => publishesOf(warehouse, assetKey, keys))) ?? new Map();
  }

  async stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    requireOtherName(this.#config.path, target);
    const statement = renderSql(sql, duckdbDialect({ self: null, window }));
    return await interruptible(await this.#open(attempt), attempt, async (warehouse) => {
      await requireContract(warehouse, statement.text, target);
      // What adds to a table does not lose the rows that it reads no more.
      if (window !== null || !["append", "merge"].includes(target.strategy.kind))
        await requireReadable(warehouse, target.assetKey, tablesOf(sql), window);
      return await this.#stageInWarehouse(warehouse, target, attempt, statement);
    });
  }

  async stageView(target: Target, sql: Sql, _: unknown, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    return await this.stageQuery(target, sql, window, attempt);
  }

  async stageCopy(target: Target, source: BulkSource, columns: CopiedColumns, attempt: Attempt): Promise<Staged> {
    if (source.format === "parquet") return await this.#stageParquet(target, source, columns, attempt);
    await this.#refuseEarly(target, attempt);
    this.#closeWarehouse();
    requireOtherName(this.#config.path, target);
    const file = await SideFile.create(this.#config.stagingDir, target, attempt, (waiting) => this.#open(waiting));
    const reading = { target, attempt, projectDir: this.#projectDir };
    try {
      return await interruptible(
        file.client,
        attempt,
        async (client) => new SideFileStaged(file, await copyFromPostgres(client, ROWS, source, columns, reading)),
      );
    } catch (error) {
      await file.remove();
      throw error;
    }
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    await this.#refuseEarly(target, attempt);
    this.#closeWarehouse();
    requireOtherName(this.#config.path, target);
    return await SideFileWriter.create(
      await SideFile.create(this.#config.stagingDir, target, attempt, (waiting) => this.#open(waiting)),
    );
  }

  async quarantined({ assetKey }: Target, attempt: Attempt): Promise<readonly KeptRow[]> {
    return await quarantinedRows(await this.#open(attempt), assetKey);
  }

  async exportParquet(target: Target, path: string, attempt: Attempt, query?: Sql): Promise<void> {
    try {
      await interruptible(await this.#open(attempt), attempt, async (warehouse) => {
        await requireReadable(warehouse, "the copy", query ? tablesOf(query) : [target.assetKey], null);
        await exportTable(warehouse, target, path, query);
      });
    } finally {
      // Others may write while the rows go on to their store.
      this.#closeWarehouse();
    }
  }

  async withArchive<T>(job: ArchiveJob, attempt: Attempt, act: (archive: Archive) => Promise<T>): Promise<T> {
    requireOtherName(this.#config.path, job.target);
    return await interruptible(await this.#open(attempt), attempt, async (warehouse) => {
      if (isBucket(job.to)) await openBuckets(warehouse, this.#projectDir, process.env);
      const placeOf = (to: string): ArchivePlace =>
        isBucket(to) ? archiveBucket(warehouse, to) : archiveFolder(this.#projectDir, to);
      return await act(await DuckDBArchive.open(warehouse, job, attempt, placeOf));
    });
  }

  async publishSnapshot(job: SnapshotJob, attempt: Attempt): Promise<PublishedSnapshot> {
    return await publishSnapshot(() => this.#open(attempt), this.#config, job, attempt);
  }

  async withFrozenTables<T>(attempt: Attempt, act: (snapshot: FrozenTables) => Promise<T>): Promise<T> {
    return await withFrozenTables(await this.#open(attempt), this.#config, attempt, act);
  }

  removeOrphans(isOpen: (runId: string) => boolean): Promise<void> {
    removeOrphanFolders(this.#config.stagingDir, isOpen);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closeWarehouse();
    return Promise.resolve();
  }

  async #stageParquet(
    target: Target,
    source: ParquetSource,
    columns: CopiedColumns,
    attempt: Attempt,
  ): Promise<Staged> {
    requireOtherName(this.#config.path, target);
    const path = resolve(this.#projectDir, source.path);
    const text = parquetQuery(path, target, columns);
    return await interruptible(await this.#open(attempt), attempt, (warehouse) =>
      this.#stageInWarehouse(warehouse, target, attempt, { text, parameters: [] }),
    );
  }

  /** Stages what the engine reads by itself: in the table that is going to be, or aside where they are copied into one. */
  async #stageInWarehouse(
    warehouse: Client,
    target: Target,
    attempt: Attempt,
    { text, parameters }: Statement,
  ): Promise<Staged> {
    await requireNotArchived(warehouse, target);
    const names = target.columns.map(({ name }) => quote(name)).join(", ");
    const fill = (stage: string): Promise<void> =>
      warehouse.run({ text: `INSERT INTO ${stage} (${names}) SELECT ${names} FROM (${text}\n) AS query`, parameters });
    if (!(await keepsTable(warehouse, target)))
      return await WarehouseStaged.begin(warehouse, target, { runId: attempt.runId, statement: text }, fill);
    const file = await SideFile.createAttached(this.#config.stagingDir, target, attempt, warehouse);
    try {
      await withoutCompression(warehouse, () => fill(file.rows.relation));
      return new SideFileStaged(file, text);
    } catch (error) {
      await file.remove();
      throw error;
    }
  }

  /** Before a body runs for an hour, where nobody has to be waited for: the publish looks again. */
  async #refuseEarly(target: Target, attempt: Attempt): Promise<void> {
    if (target.strategy.kind !== "replacePartitions" || !existsSync(this.#config.path)) return;
    try {
      await requireNotArchived(await this.#open(attempt, 0), target);
    } catch (error) {
      if (!(error instanceof WarehouseLockedError)) throw error;
    }
  }

  /** Reads something and lets go of the file again; `undefined`: there is none, and to look must not make one. */
  async #look<T>(attempt: Attempt, act: (warehouse: Client) => Promise<T>): Promise<T | undefined> {
    if (!existsSync(this.#config.path)) return undefined;
    const warehouse = await this.#open(attempt, Math.min(this.#config.lockTimeoutMs, LOOK_TIMEOUT_MS));
    try {
      return await interruptible(warehouse, attempt, act);
    } finally {
      this.#closeWarehouse();
    }
  }

  async #open(attempt: Attempt, timeoutMs = this.#config.lockTimeoutMs): Promise<Client> {
    if (this.#warehouse?.isBroken === false) return this.#warehouse;
    this.#closeWarehouse();
    await createFile(this.#config, attempt.runId);
    const warehouse = await openWaiting(this.#config.path, { timeoutMs, signal: attempt.signal, log: attempt.log });
    this.#warehouse = warehouse;
    // Views over an archive in a bucket are read as any other table.
    if ((await archivePlaces(warehouse)).some(isBucket))
      await openBuckets(warehouse, this.#projectDir, process.env).catch((error: unknown) => {
        // Most runs do not read them.
        attempt.log(`Archives in buckets cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      });
    return warehouse;
  }

  #closeWarehouse(): void {
    this.#warehouse?.close();
    this.#warehouse = undefined;
  }
}

/** Who only looks comes again. */
const LOOK_TIMEOUT_MS = 5_000;
