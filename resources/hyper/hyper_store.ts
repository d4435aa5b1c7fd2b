import { resolve } from "node:path";
import type { Check } from "../../definitions/check.ts";
import type { MaterializedView } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../definitions/tick.ts";
import { countArrivals } from "../arrivals.ts";
import { runChecks } from "../checks.ts";
import { nullWithoutTable } from "../errors.ts";
import { replaceFailedRows } from "../failed_rows.ts";
import type { RecentOptions } from "../ledger_entry.ts";
import type { FrozenTables } from "../frozen_tables.ts";
import { publishedRows } from "../published_rows.ts";
import { CSV_OPTIONS, csvOf } from "../parquet_rows.ts";
import { renderSql, type Statement } from "../render_sql.ts";
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
import { HYPER_CHECKS } from "./checks.ts";
import { afterSwaps, type Reading, readerAfterSwaps } from "./after_swaps.ts";
import type { Client } from "./client.ts";
import { databaseOf, type HyperConfig } from "./config.ts";
import { Connections } from "./connections.ts";
import { columnNames, requireContract } from "./contract.ts";
import { hyperDialect, parameter } from "./dialect.ts";
import { exportTable } from "./export.ts";
import { withFrozenTables } from "./frozen_tables.ts";
import { createOwnTables } from "./own_tables.ts";
import { stageStream, stageFromPostgres } from "./stage_stream.ts";
import {
  createTurn,
  findLedgerEntry,
  lastCursor,
  publishesOf,
  quarantinedRows,
  recentEntries,
  takeTurn,
} from "./ledger.ts";
import { inTurn } from "./in_turn.ts";
import { maxOf } from "./max_of.ts";
import { externalQuery, streamedQuery } from "./parquet.ts";
import { HyperStaged } from "./publish.ts";
import { literal, tableName } from "../quote.ts";
import { CopyWriter } from "./row_writer.ts";
import { repairInTurn, swappedAssets } from "./swap.ts";

/**
 * Tables in a Hyper database file, behind a server that any number of processes use at once. Rows are staged in a
 * temporary table of a session and copied into the table in one transaction.
 */
export class HyperStore implements Store {
  readonly #config: HyperConfig;
  readonly #projectDir: string;
  readonly #connections: Connections;

  constructor(config: HyperConfig, projectDir: string) {
    this.#config = config;
    this.#projectDir = projectDir;
    this.#connections = new Connections(config);
  }

  uri({ assetKey }: Target): string {
    const { host } = new URL(this.#config.url);
    return `hyper://${host}/${databaseOf(this.#config.url)}#${assetKey.replace("/", ".")}`;
  }

  async findPublished(target: Target, attempt: Attempt): Promise<LedgerEntry | undefined> {
    return await this.#with(target, attempt, (client) =>
      findLedgerEntry(client, { ...attempt, assetKey: target.assetKey }),
    );
  }

  async lastCursor(target: Target, attempt: Attempt): Promise<string | null> {
    return await this.#with(target, attempt, (client) => lastCursor(client, target.assetKey));
  }

  async recentPublishes(target: Target, attempt: Attempt, options: RecentOptions): Promise<readonly LedgerEntry[]> {
    return await this.#with(target, attempt, (client) => recentEntries(client, target.assetKey, options));
  }

  async keepFailedRows(target: Target, attempt: Attempt, rows: readonly FailedRow[]): Promise<void> {
    await this.#with(target, attempt, async (client) => {
      await createOwnTables(client);
      await createTurn(client, target.assetKey);
      await inTurn(target.assetKey, attempt, this.#connections.lockTimeoutMs, () =>
        client.transaction(async () => {
          await takeTurn(client, target.assetKey, attempt.runId);
          for (const statement of replaceFailedRows(target.assetKey, attempt, rows)) await client.run(statement);
        }),
      );
    });
  }

  async checkPublished(
    target: Target,
    scope: PartitionSet | null,
    checks: readonly Check[],
    context: CheckContext,
    attempt: Attempt,
  ): Promise<readonly CheckOutcome[]> {
    const rows = publishedRows(HYPER_CHECKS, literal, target, scope);
    return await this.#reading(target, attempt, (reading) =>
      runChecks(readerAfterSwaps(reading), HYPER_CHECKS, rows, checks, context),
    );
  }

  async maxOf(
    target: Pick<Target, "assetKey" | "schema" | "table">,
    column: string,
    attempt: Attempt,
  ): Promise<string | null> {
    return await this.#reading(target, attempt, (reading) =>
      nullWithoutTable(maxOf(readerAfterSwaps(reading), target, column)),
    );
  }

  async arrivals(target: Target, query: ArrivalsQuery, attempt: Attempt): Promise<Arrivals | null> {
    const { assetKey, columns } = target;
    const syntax = { ...HYPER_CHECKS, parameter };
    return await this.#reading(target, attempt, (reading) =>
      nullWithoutTable(countArrivals(readerAfterSwaps(reading), syntax, tableName(assetKey), columns, query)),
    );
  }

  async lastPublishes(
    target: Target,
    keys: readonly string[] | null,
    attempt: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>> {
    return await this.#with(target, attempt, (client) => publishesOf(client, target.assetKey, keys));
  }

  async quarantined(target: Target, attempt: Attempt): Promise<readonly KeptRow[]> {
    return await this.#with(target, attempt, (client) => quarantinedRows(client, target.assetKey));
  }

  async stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    const statement = renderSql(sql, hyperDialect({ self: null, window }));
    const names = columnNames(target);
    return await this.#stage(target, attempt, statement, {
      text: `SELECT ${names} FROM (${statement.text}\n) AS query`,
      parameters: statement.parameters,
    });
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

  async stageCopy(target: Target, source: BulkSource, columns: CopiedColumns, attempt: Attempt): Promise<Staged> {
    if (source.format === "postgres") {
      return await stageFromPostgres(this.#connections, source, columns, target, attempt);
    }
    const path = resolve(this.#projectDir, source.path);
    if (!this.#config.sharesFiles) {
      const statement = streamedQuery(path, target, columns);
      const rows = csvOf(statement, target, attempt.signal);
      return await stageStream(this.#connections, { rows, statement, options: CSV_OPTIONS }, target, attempt);
    }
    return await this.#stage(target, attempt, null, { text: externalQuery(path, target, columns), parameters: [] });
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    return await CopyWriter.create(await HyperStaged.begin(this.#connections, target, attempt));
  }

  async exportParquet(target: Target, path: string, attempt: Attempt, query?: Sql): Promise<void> {
    const { sharesFiles } = this.#config;
    await this.#reading(target, attempt, (reading) =>
      afterSwaps(reading, () =>
        exportTable(reading.client, target, path, { signal: attempt.signal, sharesFiles, query }),
      ),
    );
  }

  async withFrozenTables<T>(attempt: Attempt, act: (tables: FrozenTables) => Promise<T>): Promise<T> {
    return await this.#reading({ assetKey: "diff" }, attempt, (reading) =>
      withFrozenTables(reading, this.#config, act),
    );
  }

  async removeOrphans(): Promise<void> {
    // Temporary tables die with their session, and a session with its process; a table may be half swapped.
    const client = await this.#connections.take(new AbortController().signal, "dagster-typescript");
    try {
      for (const assetKey of await swappedAssets(client)) await repairInTurn(this.#connections, assetKey);
    } finally {
      this.#connections.give(client);
    }
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  /** Fills a temporary table from a query, whose columns are those of the target. */
  async #stage(target: Target, attempt: Attempt, contract: Statement | null, rows: Statement): Promise<Staged> {
    const staged = await HyperStaged.begin(this.#connections, target, attempt);
    try {
      const { client, reading } = staged;
      if (contract !== null) await afterSwaps(reading, () => requireContract(client, contract, target));
      const { text, parameters } = rows;
      const insert = { text: `INSERT INTO ${staged.stage} (${columnNames(target)}) ${text}`, parameters };
      await afterSwaps(reading, () => client.run(insert));
      staged.statement = contract?.text ?? text;
      return staged;
    } catch (error) {
      await staged.release();
      throw error;
    }
  }

  async #reading<T>(
    { assetKey }: Pick<Target, "assetKey">,
    attempt: Attempt,
    act: (reading: Reading) => Promise<T>,
  ): Promise<T> {
    const connections = this.#connections;
    return await this.#with({ assetKey }, attempt, (client) => act({ client, connections, assetKey, attempt }));
  }

  async #with<T>(
    { assetKey }: Pick<Target, "assetKey">,
    attempt: Attempt,
    act: (client: Client) => Promise<T>,
  ): Promise<T> {
    const client = await this.#connections.take(attempt.signal, `dagster-typescript ${assetKey} ${attempt.runId}`);
    try {
      return await act(client);
    } finally {
      this.#connections.give(client);
    }
  }
}
