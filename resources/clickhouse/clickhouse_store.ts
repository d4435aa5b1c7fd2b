import { resolve } from "node:path";
import type { Check } from "../../definitions/check.ts";
import type { MaterializedView } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../definitions/tick.ts";
import { runChecks } from "../checks.ts";
import type { RecentOptions } from "../ledger_entry.ts";
import type { FrozenTables } from "../frozen_tables.ts";
import { publishedRows } from "../published_rows.ts";
import { renderSql } from "../render_sql.ts";
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
import { CLICKHOUSE_CHECKS } from "./checks.ts";
import { Client } from "./client.ts";
import type { ClickHouseConfig } from "./config.ts";
import { columnNames, requireContract } from "./contract.ts";
import { clickhouseDialect, literalDialect } from "./dialect.ts";
import { exportTable } from "./export.ts";
import { withFrozenTables } from "./frozen_tables.ts";
import { copyFromPostgres } from "./from_postgres.ts";
import { getInner } from "./incremental_build.ts";
import { IncrementalStaged } from "./incremental_staged.ts";
import {
  createOwnTables,
  findLedgerEntry,
  lastCursor,
  publishesOf,
  recentEntries,
  replaceFailedRows,
} from "./ledger.ts";
import { quarantinedRows } from "./quarantine.ts";
import type { IsOpen } from "./lock.ts";
import { arrivalsOf, maxOf } from "./max_of.ts";
import { planCopy } from "./parquet.ts";
import { getPlace } from "./place.ts";
import { ClickHouseStaged } from "./publish.ts";
import { literal, ownTable } from "./quote.ts";
import { refreshInto } from "./refreshable_view.ts";
import { ClickHouseRowWriter } from "./row_writer.ts";
import { createStage, dropOrphans, type Stage } from "./staging.ts";
import { dropOwn } from "./tables.ts";

/** Tables of a ClickHouse server; a schema is a database. Rows are staged in `_dagster_typescript`. */
export class ClickHouseStore implements Store {
  readonly #config: ClickHouseConfig;
  readonly #projectDir: string;
  #client: Client | undefined;
  /** Nobody is dead as long as the orchestrator was not asked. */
  #isOpen: IsOpen = () => true;

  constructor(config: ClickHouseConfig, projectDir: string) {
    this.#config = config;
    this.#projectDir = projectDir;
  }

  uri({ assetKey }: Target): string {
    return `clickhouse://${this.#config.url.host}/${assetKey}`;
  }

  async findPublished(target: Target, attempt: Attempt): Promise<LedgerEntry | undefined> {
    return await findLedgerEntry(this.#for(target, attempt), target, attempt);
  }

  async lastCursor(target: Target, attempt: Attempt): Promise<string | null> {
    return await lastCursor(this.#for(target, attempt), target);
  }

  async recentPublishes(target: Target, attempt: Attempt, options: RecentOptions): Promise<readonly LedgerEntry[]> {
    return await recentEntries(this.#for(target, attempt), target, options);
  }

  async keepFailedRows(target: Target, attempt: Attempt, rows: readonly FailedRow[]): Promise<void> {
    const client = this.#for(target, attempt);
    await createOwnTables(client.unending());
    await replaceFailedRows(client, target.assetKey, attempt, rows);
  }

  async checkPublished(
    target: Target,
    scope: PartitionSet | null,
    checks: readonly Check[],
    context: CheckContext,
    attempt: Attempt,
  ): Promise<readonly CheckOutcome[]> {
    const rows = publishedRows(CLICKHOUSE_CHECKS, literal, target, scope);
    return await runChecks(this.#for(target, attempt), CLICKHOUSE_CHECKS, rows, checks, context);
  }

  async maxOf(
    target: Pick<Target, "assetKey" | "schema" | "table">,
    column: string,
    attempt: Attempt,
  ): Promise<string | null> {
    return await maxOf(this.#for(target, attempt), target, column);
  }

  async arrivals(target: Target, query: ArrivalsQuery, attempt: Attempt): Promise<Arrivals | null> {
    return await arrivalsOf(this.#for(target, attempt), target, query);
  }

  async lastPublishes(
    target: Target,
    keys: readonly string[] | null,
    attempt: Attempt,
  ): Promise<ReadonlyMap<string, LastPublish>> {
    return await publishesOf(this.#for(target, attempt), target, keys);
  }

  async quarantined(target: Target, attempt: Attempt): Promise<readonly KeptRow[]> {
    return await quarantinedRows(this.#for(target, attempt), target);
  }

  async stageQuery(target: Target, sql: Sql, window: QueryWindow | null, attempt: Attempt): Promise<Staged> {
    const client = this.#for(target, attempt);
    const statement = renderSql(sql, clickhouseDialect({ self: null, window }));
    const names = columnNames(target);
    const proof = requireContract(client, statement, target);
    return await this.#fillOnce(client, target, attempt, proof, async ({ name, options }) => {
      const text = `INSERT INTO ${ownTable(name)} (${names}) SELECT ${names} FROM (${statement.text}\n) AS query`;
      await client.run({ text, parameters: statement.parameters }, options);
      return statement.text;
    });
  }

  async stageView(
    target: Target,
    sql: Sql,
    refresh: MaterializedView["refresh"],
    _window: QueryWindow | null,
    attempt: Attempt,
  ): Promise<Staged> {
    const client = this.#for(target, attempt);
    if (refresh === "incremental") return await this.#stageIncremental(client, target, sql, attempt);
    const statement = renderSql(sql, literalDialect({ self: null, window: null }));
    await requireContract(client, statement, target);
    const stage = await createStage(client, target, attempt);
    return await this.#fill(client, target, attempt, stage, async () => {
      await refreshInto(client, target, attempt, this.#isOpen, statement.text, stage);
      return statement.text;
    });
  }

  async stageCopy(target: Target, source: BulkSource, columns: CopiedColumns, attempt: Attempt): Promise<Staged> {
    const client = this.#for(target, attempt);
    if (source.format === "postgres") {
      const stage = await createStage(client, target, attempt);
      return await this.#fill(client, target, attempt, stage, ({ name }) =>
        copyFromPostgres(client, ownTable(name), source, columns, { target, attempt }),
      );
    }
    const plan = planCopy(client, resolve(this.#projectDir, source.path), columns, target);
    return await this.#fillOnce(client, target, attempt, plan, async ({ name, options }, { statement, run }) => {
      await run(ownTable(name), options);
      return statement;
    });
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    const client = this.#for(target, attempt);
    const stage = await createStage(client, target, attempt);
    return new ClickHouseRowWriter(client, target, attempt, stage, this.#isOpen);
  }

  async exportParquet(target: Target, path: string, attempt: Attempt, query?: Sql): Promise<void> {
    await exportTable(this.#for(target, attempt), target, path, query);
  }

  async withFrozenTables<T>({ runId, signal }: Attempt, act: (tables: FrozenTables) => Promise<T>): Promise<T> {
    return await withFrozenTables(this.#open().as({ assetKey: "diff", runId }, signal), act);
  }

  async removeOrphans(isOpen: IsOpen): Promise<void> {
    this.#isOpen = isOpen;
    await dropOrphans(this.#open(), isOpen);
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }

  async #stageIncremental(client: Client, target: Target, sql: Sql, attempt: Attempt): Promise<Staged> {
    await dropOrphans(client.unending(), this.#isOpen, target.assetKey);
    const { own, named } = await getPlace(client, target);
    await createOwnTables(
      client.unending(),
      own.map(({ name }) => name),
    );
    const inner = await getInner(client, target, sql, attempt, named?.inner);
    return await IncrementalStaged.create(client, target, attempt, inner, this.#isOpen);
  }

  /**
   * Makes the staging table beside what must be known before rows are written: neither asks for what the other does. What
   * is wrong with the rows is told first.
   *
   * @param fill Writes the rows and returns the statement that made them.
   */
  async #fillOnce<Known>(
    client: Client,
    target: Target,
    attempt: Attempt,
    known: Promise<Known>,
    fill: (stage: Stage, known: Known) => Promise<string>,
  ): Promise<Staged> {
    known.catch(() => undefined);
    const stage = await createStage(client, target, attempt).catch(async (error: unknown) => {
      await known;
      throw error;
    });
    return await this.#fill(client, target, attempt, stage, async () => await fill(stage, await known));
  }

  /** @param fill Writes the rows and returns the statement that made them. */
  async #fill(
    client: Client,
    target: Target,
    attempt: Attempt,
    stage: Stage,
    fill: (stage: Stage) => Promise<string>,
  ): Promise<Staged> {
    try {
      const statement = await fill(stage);
      return new ClickHouseStaged(client, target, attempt, stage, { statement, isOpen: this.#isOpen });
    } catch (error) {
      await dropOwn(client.unending(), stage.name).catch((fault: unknown) => {
        attempt.log(`What was staged could not be dropped; a later run will: ${String(fault)}`);
      });
      throw error;
    }
  }

  #for({ assetKey }: Pick<Target, "assetKey">, { runId, signal }: Attempt): Client {
    return this.#open().as({ assetKey, runId }, signal);
  }

  #open(): Client {
    this.#client ??= Client.create(this.#config);
    return this.#client;
  }
}
