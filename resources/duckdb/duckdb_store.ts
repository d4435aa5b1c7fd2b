import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { MaterializedView, ParquetSource } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../definitions/tick.ts";
import { countArrivals } from "../arrivals.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import type { Attempt, BulkSource, LedgerEntry, QueryWindow, RowWriter, Staged, Store, Target } from "../store.ts";
import { type Client, openWaiting } from "./client.ts";
import { catalogName, type DuckDBConfig } from "./config.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import { duckdbDialect, parameter } from "./dialect.ts";
import { AmbiguousSchemaError } from "./errors.ts";
import { exportTable } from "./export.ts";
import { copyFromPostgres } from "./from_postgres.ts";
import { findLedgerEntry, lastCursor, publishesOf } from "./ledger.ts";
import { hasTable, maxOf } from "./max_of.ts";
import { requireContract } from "./contract.ts";
import { WarehouseStaged } from "./publish.ts";
import { parquetQuery } from "../parquet_rows.ts";
import { quote, tableName } from "../quote.ts";
import { SideFileWriter } from "./row_writer.ts";
import { ROWS, SideFile } from "./side_file.ts";
import { SideFileStaged } from "./side_file_staged.ts";
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
    this.#requireOtherName(target);
    const warehouse = await this.#open(attempt);
    return await findLedgerEntry(warehouse, { ...attempt, assetKey: target.assetKey });
  }

  async lastCursor({ assetKey }: Target, attempt: Attempt): Promise<string | null> {
    return await lastCursor(await this.#open(attempt), assetKey);
  }

  async maxOf(
    { schema, table }: Pick<Target, "schema" | "table">,
    column: string,
    attempt: Attempt,
  ): Promise<string | null> {
    return (await this.#look(attempt, (warehouse) => maxOf(warehouse, schema, table, column))) ?? null;
  }

  async arrivals(
    { assetKey, schema, table, columns }: Target,
    query: ArrivalsQuery,
    attempt: Attempt,
  ): Promise<Arrivals | null> {
    const found = await this.#look(attempt, async (warehouse) =>
      (await hasTable(warehouse, schema, table))
        ? await countArrivals(warehouse, { ...DUCKDB_CHECKS, parameter }, tableName(assetKey), columns, query)
        : null,
    );
    return found ?? null;
  }

  async lastPublishes(
    { assetKey }: Target,
    keys: readonly string[] | null,
    attempt: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>> {
    return (await this.#look(attempt, (warehouse) => publishesOf(warehouse, assetKey, keys))) ?? new Map();
  }

  async stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    this.#requireOtherName(target);
    const statement = renderSql(sql, duckdbDialect({ self: null, window }));
    const warehouse = await this.#open(attempt);
    const end = interruptOnAbort(warehouse, attempt.signal);
    try {
      await requireContract(warehouse, statement.text, target);
      return await this.#stageInWarehouse(warehouse, target, attempt, statement);
    } catch (error) {
      // Not the interrupted statement is what went wrong then.
      attempt.signal.throwIfAborted();
      throw error;
    } finally {
      end();
    }
  }

  async stageView(
    target: Target,
    sql: Sql,
    _refresh: MaterializedView["refresh"],
    window: QueryWindow | null,
    attempt: Attempt,
  ): Promise<Staged> {
    return await this.stageQuery(target, sql, window, attempt);
  }

  async stageCopy(
    target: Target,
    source: BulkSource,
    columns: ReadonlyMap<string, string>,
    attempt: Attempt,
  ): Promise<Staged> {
    if (source.format === "parquet") return await this.#stageParquet(target, source, columns, attempt);
    this.#closeWarehouse();
    this.#requireOtherName(target);
    const file = await SideFile.create(this.#config.stagingDir, target, attempt, (waiting) => this.#open(waiting));
    const end = interruptOnAbort(file.client, attempt.signal);
    try {
      const reading = { target, attempt, projectDir: this.#projectDir };
      return new SideFileStaged(file, await copyFromPostgres(file.client, ROWS, source, columns, reading));
    } catch (error) {
      await file.remove();
      attempt.signal.throwIfAborted();
      throw error;
    } finally {
      end();
    }
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    this.#closeWarehouse();
    this.#requireOtherName(target);
    return await SideFileWriter.create(
      await SideFile.create(this.#config.stagingDir, target, attempt, (waiting) => this.#open(waiting)),
    );
  }

  async exportParquet(target: Target, path: string, attempt: Attempt): Promise<void> {
    const warehouse = await this.#open(attempt);
    const end = interruptOnAbort(warehouse, attempt.signal);
    try {
      await exportTable(warehouse, target, path);
    } catch (error) {
      attempt.signal.throwIfAborted();
      throw error;
    } finally {
      end();
      // Others may write while the rows go on to their store.
      this.#closeWarehouse();
    }
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
    columns: ReadonlyMap<string, string>,
    attempt: Attempt,
  ): Promise<Staged> {
    this.#requireOtherName(target);
    const path = resolve(this.#projectDir, source.path);
    const text = parquetQuery(path, target, columns);
    const warehouse = await this.#open(attempt);
    const end = interruptOnAbort(warehouse, attempt.signal);
    try {
      return await this.#stageInWarehouse(warehouse, target, attempt, { text, parameters: [] });
    } catch (error) {
      attempt.signal.throwIfAborted();
      throw error;
    } finally {
      end();
    }
  }

  /** Stages what the engine reads by itself: in the table that is going to be, or aside where they are copied into one. */
  async #stageInWarehouse(
    warehouse: Client,
    target: Target,
    attempt: Attempt,
    { text, parameters }: Statement,
  ): Promise<Staged> {
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

  /** DuckDB cannot tell a schema from the file's catalog where both have the same name. */
  #requireOtherName({ assetKey, schema }: Target): void {
    const catalog = catalogName(this.#config.path);
    if (schema.toLowerCase() !== catalog.toLowerCase()) return;
    throw new AmbiguousSchemaError(
      `${assetKey}: DuckDB takes the schema ${schema} for the file ${this.#config.path}, which it calls ${catalog}: ` +
        "give the file another name, in DUCKDB_PATH",
    );
  }

  /** Reads something and lets go of the file again; `undefined`: there is none, and to look must not make one. */
  async #look<T>(attempt: Attempt, act: (warehouse: Client) => Promise<T>): Promise<T | undefined> {
    if (!existsSync(this.#config.path)) return undefined;
    const warehouse = await this.#open(attempt, Math.min(this.#config.lockTimeoutMs, LOOK_TIMEOUT_MS));
    const end = interruptOnAbort(warehouse, attempt.signal);
    try {
      return await act(warehouse);
    } finally {
      end();
      this.#closeWarehouse();
    }
  }

  async #open(attempt: Attempt, timeoutMs = this.#config.lockTimeoutMs): Promise<Client> {
    this.#warehouse ??= await openWaiting(this.#config.path, {
      timeoutMs,
      signal: attempt.signal,
      log: attempt.log,
    });
    return this.#warehouse;
  }

  #closeWarehouse(): void {
    this.#warehouse?.close();
    this.#warehouse = undefined;
  }
}

/** Writes what is read once and removed: compressing it would take longer than reading and writing it does. */
async function withoutCompression(client: Client, act: () => Promise<void>): Promise<void> {
  await client.run("SET force_compression = 'uncompressed'");
  try {
    await act();
  } finally {
    await client.run("SET force_compression = 'auto'");
  }
}

/** Who only looks comes again. */
const LOOK_TIMEOUT_MS = 5_000;
/** A statement that is about to start does not hear an interrupt: it is repeated. */
const INTERRUPT_EVERY_MS = 50;

/** Ends the running statement when the run is terminated. */
function interruptOnAbort(client: Client, signal: AbortSignal): () => void {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    client.connection.interrupt();
    timer = setTimeout(interrupt, INTERRUPT_EVERY_MS);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  return () => {
    signal.removeEventListener("abort", interrupt);
    clearTimeout(timer);
  };
}
