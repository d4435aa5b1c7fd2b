import { isAbsolute, join } from "node:path";
import type { MaterializedView } from "../../definitions/body.ts";
import type { Sql } from "../../definitions/sql.ts";
import { quote } from "../quote.ts";
import { renderSql } from "../render_sql.ts";
import type { Attempt, BulkSource, LedgerEntry, QueryWindow, RowWriter, Staged, Store, Target } from "../store.ts";
import type { Client } from "./client.ts";
import type { PostgresConfig } from "./config.ts";
import { Connections, type Work } from "./connections.ts";
import { columnDefinitions, columnList, requireContract } from "./contract.ts";
import { postgresDialect } from "./dialect.ts";
import { createOwnTables, findLedgerEntry, lastCursor, lockAsset } from "./ledger.ts";
import { CSV_OPTIONS, csvOf, parquetQuery } from "./parquet.ts";
import { PostgresRowWriter } from "./row_writer.ts";
import { StagedInTable, StagedInTransaction } from "./staged.ts";
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
        const list = target.columns.map(({ name, type }) =>
          type.kind === "string" ? `${quote(name)} COLLATE pg_catalog."default" AS ${quote(name)}` : quote(name),
        );
        await client.run({
          text: `CREATE ${lasting}TABLE ${stage} AS SELECT ${list.join(", ")} FROM (${text}\n) AS query`,
          parameters,
        });
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

  stageView(
    target: Target,
    _sql: Sql,
    _refresh: MaterializedView["refresh"],
    _window: QueryWindow | null,
    _attempt: Attempt,
  ): Promise<Staged> {
    return Promise.reject(new TypeError(`${target.assetKey}: not yet`));
  }

  async stageCopy(
    target: Target,
    source: BulkSource,
    columns: ReadonlyMap<string, string>,
    attempt: Attempt,
  ): Promise<Staged> {
    if (source.format !== "parquet") throw new TypeError(`postgres reads no ${source.format}`);
    await this.#createOwnTables(target, attempt);
    const path = isAbsolute(source.path) ? source.path : join(this.#projectDir, source.path);
    const statement = parquetQuery(path, target, columns);
    const stage = newStagingTable(target.assetKey, attempt.runId);
    // Made and filled in one transaction: an attempt that ends before has left nothing.
    const rowCount = await this.#connections.transaction(workOf(target, attempt), async (client) => {
      const lasting = (await expectsSwap(client, target)) ? "" : "UNLOGGED ";
      await client.script([
        `CREATE ${lasting}TABLE ${stage} (${columnDefinitions(target)})`,
        ownedBy(stage, attempt.runId),
      ]);
      const copy = `COPY ${stage} (${columnList(target)}) FROM STDIN (${CSV_OPTIONS})`;
      return BigInt(await client.copyIn(copy, csvOf(statement, target, attempt.signal)));
    });
    return new StagedInTable({ rowCount, quarantine: null }, this.#connections, target, attempt, stage, statement);
  }

  async stageRows(target: Target, attempt: Attempt): Promise<RowWriter> {
    await this.#createOwnTables(target, attempt);
    return await PostgresRowWriter.create(this.#connections, target, attempt);
  }

  exportParquet({ assetKey }: Target): Promise<void> {
    return Promise.reject(new TypeError(`${assetKey}: not yet`));
  }

  async removeOrphans(isOpen: (runId: string) => boolean): Promise<void> {
    const work = { assetKey: "orphans", runId: "" };
    const orphans = await this.#connections.transaction(work, (client) => findOrphans(client, isOpen));
    for (const table of orphans) await this.#drop(work, table);
  }

  async close(): Promise<void> {
    await this.#connections.close();
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
