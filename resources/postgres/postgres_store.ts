import { resolve } from "node:path";
import type { Check } from "../../definitions/check.ts";
import type { MaterializedView } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../definitions/tick.ts";
import { runChecks } from "../checks.ts";
import { nullWithoutTable } from "../errors.ts";
import { replaceFailedRows } from "../failed_rows.ts";
import type { RecentOptions } from "../ledger_entry.ts";
import { CSV_OPTIONS, csvOf, parquetQuery } from "../parquet_rows.ts";
import { publishedRows } from "../published_rows.ts";
import { literal, quote } from "../quote.ts";
import { renderSql } from "../render_sql.ts";
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
import { checkReader, POSTGRES_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import type { PostgresConfig } from "./config.ts";
import { Connections, type Work } from "./connections.ts";
import { columnDefinitions, columnList, contractQuery, requireContract } from "./contract.ts";
import { definitionDialect, postgresDialect } from "./dialect.ts";
import { exportQuery, exportTable, readRequest } from "./export.ts";
import {
  createFailedRows,
  createOwnTables,
  findLedgerEntry,
  lastCursor,
  lockAsset,
  publishesOf,
  quarantinedRows,
  recentEntries,
} from "./ledger.ts";
import { stageMaterializedView } from "./materialized_view.ts";
import { arrivalsOf, maxOf } from "./max_of.ts";
import { PostgresRowWriter } from "./row_writer.ts";
import { withFrozenTables } from "./frozen_tables.ts";
import { StagedInTable, StagedInTransaction, StagedMaterializedView } from "./publish.ts";
import { dropOrphan, findOrphans, newStagingTable, ownedBy } from "./staging.ts";
import { expectsSwap } from "./write.ts";

/**
 * Tables in a PostgreSQL database, directly or behind PgBouncer. `query` bodies are staged, checked and published in
 * one transaction; `rows` and `copy` bodies are staged in a table of their own first.
 */
export class PostgresStore implements Store {
  readonly #config: PostgresConfig;
  readonly #projectDir: string;
  readonly #connections: Connections;
  #hasOwnTables = false;

  constructor(config: PostgresConfig, projectDir: string) {
    this.#config = config;
    this.#projectDir = projectDir;
    this.#connections = new Connections(config);
  }

  uri({ assetKey }: Target): string {
    return `postgres://${this.#config.place}#${assetKey.replace("/", ".")}`;
  }

  async findPublished(target: Target, attempt: Attempt): Promise<LedgerEntry | undefined> {
    return await this.#connections.transaction(workOf(target, attempt), async (client) => {
      // A process that was killed in its commit: the server may still be at it.
      await lockAsset(client, target.assetKey);
      return await findLedgerEntry(client, { ...attempt, assetKey: target.assetKey });
    });
  }

  async lastCursor(target: Target, attempt: Attempt): Promise<string | null> {
    return await this.#connections.transaction(workOf(target, attempt), async (client) => {
      await lockAsset(client, target.assetKey);
      return await lastCursor(client, target.assetKey);
    });
  }

  async recentPublishes(target: Target, attempt: Attempt, options: RecentOptions): Promise<readonly LedgerEntry[]> {
    return await this.#connections.transaction(workOf(target, attempt), (client) =>
      recentEntries(client, target.assetKey, options),
    );
  }

  async keepFailedRows(target: Target, attempt: Attempt, rows: readonly FailedRow[]): Promise<void> {
    await this.#createOwnTables(target, attempt);
    await this.#connections.transaction(workOf(target, attempt), async (client) => {
      await lockAsset(client, target.assetKey);
      await createFailedRows(client);
      for (const statement of replaceFailedRows(target.assetKey, attempt, rows)) await client.run(statement);
    });
  }

  async checkPublished(
    target: Target,
    scope: PartitionSet | null,
    checks: readonly Check[],
    context: CheckContext,
    attempt: Attempt,
  ): Promise<readonly CheckOutcome[]> {
    const rows = publishedRows(POSTGRES_CHECKS, literal, target, scope);
    // One snapshot for all of them would keep a publish of another run from being seen; each statement has its own.
    return await this.#connections.transaction({ ...workOf(target, attempt), isReadOnly: true }, (client) =>
      runChecks(checkReader(client), POSTGRES_CHECKS, rows, checks, context),
    );
  }

  async maxOf(
    target: Pick<Target, "assetKey" | "schema" | "table">,
    column: string,
    { runId, signal }: Attempt,
  ): Promise<string | null> {
    return await nullWithoutTable(
      maxOf(this.#connections, { assetKey: target.assetKey, runId, signal }, target, column),
    );
  }

  async arrivals(target: Target, query: ArrivalsQuery, { runId, signal }: Attempt): Promise<Arrivals | null> {
    const work = { assetKey: target.assetKey, runId, signal };
    return await nullWithoutTable(arrivalsOf(this.#connections, work, target, target.columns, query));
  }

  async lastPublishes(
    { assetKey }: Target,
    keys: readonly string[] | null,
    { runId, signal }: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>> {
    return await this.#connections.transaction({ assetKey, runId, signal, isReadOnly: true }, (client) =>
      publishesOf(client, assetKey, keys),
    );
  }

  async quarantined({ assetKey }: Target, { runId, signal }: Attempt): Promise<readonly KeptRow[]> {
    return await this.#connections.transaction({ assetKey, runId, signal }, (client) =>
      quarantinedRows(client, assetKey),
    );
  }

  async stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    await this.#createOwnTables(target, attempt);
    const { text, parameters } = renderSql(sql, postgresDialect({ self: null, window }));
    const stage = newStagingTable(target.assetKey, attempt.runId);
    const transaction = await this.#connections.begin(workOf(target, attempt));
    try {
      await transaction.run(async (client) => {
        await requireContract(client, text, target);
        const lasting = (await expectsSwap(client, target)) ? "" : "UNLOGGED ";
        // Not INSERT: the engine reads with several processes only where it makes the table in the same statement.
        await client.run({ text: `CREATE ${lasting}TABLE ${stage} AS ${contractQuery(text, target)}`, parameters });
        const notNull = target.columns.filter(({ nullable }) => !nullable);
        if (notNull.length > 0) {
          const changes = notNull.map(({ name }) => `ALTER COLUMN ${quote(name)} SET NOT NULL`);
          await client.run(`ALTER TABLE ${stage} ${changes.join(", ")}`);
        }
      });
      return new StagedInTransaction(transaction, this.#connections, target, attempt, stage, text);
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
  }

  async stageView(
    target: Target,
    sql: Sql,
    _refresh: MaterializedView["refresh"],
    window: QueryWindow | null,
    attempt: Attempt,
  ): Promise<Staged> {
    await this.#createOwnTables(target, attempt);
    const { text } = renderSql(sql, definitionDialect({ self: null, window }));
    const transaction = await this.#connections.begin(workOf(target, attempt));
    try {
      const view = await transaction.run(async (client) => {
        await lockAsset(client, target.assetKey);
        await requireContract(client, text, target);
        return await stageMaterializedView(client, target, contractQuery(text, target), attempt);
      });
      return new StagedMaterializedView(view, transaction, this.#connections, target, attempt, text);
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
  }

  async stageCopy(target: Target, source: BulkSource, columns: CopiedColumns, attempt: Attempt): Promise<Staged> {
    await this.#createOwnTables(target, attempt);
    const { statement, rows, options } = await this.#bulk(target, source, columns, attempt);
    const stage = newStagingTable(target.assetKey, attempt.runId);
    // Made and filled in one transaction: an attempt that ends before has left nothing.
    const rowCount = await this.#connections.transaction(workOf(target, attempt), async (client) => {
      const lasting = (await expectsSwap(client, target)) ? "" : "UNLOGGED ";
      await client.script([
        `CREATE ${lasting}TABLE ${stage} (${columnDefinitions(target)})`,
        ownedBy(stage, attempt.runId),
      ]);
      return BigInt(await client.copyIn(`COPY ${stage} (${columnList(target)}) FROM STDIN (${options})`, rows));
    });
    return new StagedInTable({ rowCount, quarantine: null }, this.#connections, target, attempt, stage, statement);
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    await this.#createOwnTables(target, attempt);
    return await PostgresRowWriter.create(this.#connections, target, attempt);
  }

  async exportParquet(target: Target, path: string, attempt: Attempt, query?: Sql): Promise<void> {
    if (query === undefined) await exportTable(this.#config, target, path, attempt);
    else await exportQuery(this.#connections, target, query, path, attempt);
  }

  async withFrozenTables<T>(attempt: Attempt, act: (snapshot: FrozenTables) => Promise<T>): Promise<T> {
    return await withFrozenTables(this.#connections, attempt, act);
  }

  async removeOrphans(isOpen: (runId: string) => boolean): Promise<void> {
    const work = { assetKey: "orphans", runId: "" };
    const orphans = await this.#connections.transaction(work, (client) => findOrphans(client, isOpen));
    for (const table of orphans) await this.#drop(work, table);
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  /** The rows of a source, as COPY … FROM STDIN takes them. */
  async #bulk(
    target: Target,
    source: BulkSource,
    columns: CopiedColumns,
    attempt: Attempt,
  ): Promise<{ readonly statement: string; readonly rows: AsyncIterable<Uint8Array>; readonly options: string }> {
    if (source.format === "postgres") {
      const reader = await source.open(readRequest(target, columns, attempt));
      return {
        statement: `-- in ${reader.place}\n${reader.query}`,
        rows: reader.rows("text"),
        options: "FORMAT text, NULL '\\N'",
      };
    }
    const path = resolve(this.#projectDir, source.path);
    const statement = parquetQuery(path, target, columns);
    return { statement, rows: csvOf(statement, target, attempt.signal), options: CSV_OPTIONS };
  }

  async #drop(work: Work, table: string): Promise<void> {
    await this.#connections.transaction(work, (client) => dropOrphan(client, table));
  }

  async #createOwnTables(target: Target, attempt: Attempt): Promise<void> {
    if (this.#hasOwnTables) return;
    await this.#connections.transaction(workOf(target, attempt), (client: Client) => createOwnTables(client));
    this.#hasOwnTables = true;
  }
}

function workOf({ assetKey }: Target, { runId, signal }: Attempt): Work {
  return { assetKey, runId, signal };
}
