import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import { parquet, type z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { PostgresStore } from "../../../resources/postgres/postgres_store.ts";
import { tableName } from "../../../resources/quote.ts";
import type { Attempt, CheckOutcome, Staged, StagedFacts, Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, columnsOf, publish } from "../duckdb/warehouse.ts";
import type { Server, TextRows } from "./server.ts";

/** A store on a server that tests share, and a schema that no other test has. */
export class Warehouse {
  readonly server: Server;
  readonly schema = `t_${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  readonly store: PostgresStore;

  constructor(server: Server, env: Readonly<Record<string, string>> = {}) {
    this.server = server;
    this.store = this.another(env);
    onTestFinished(() => this.store.close());
  }

  /** Another store on the same server, as another process has one. */
  another(env: Readonly<Record<string, string>> = {}): PostgresStore {
    return new PostgresStore(postgresConfig({ DATABASE_URL: this.server.url, ...env }), this.server.folder);
  }

  target(
    shape: Readonly<Record<string, z.ZodType>>,
    strategy: WriteStrategy = { kind: "replace" },
    table = "x",
  ): Target {
    const assetKey = `${this.schema}/${table}`;
    return {
      assetKey,
      schema: this.schema,
      table,
      description: "A test.",
      columns: columnsOf(shape),
      key: [],
      storage: {},
      strategy,
    };
  }

  /** The quoted name of a table of this test. */
  name(table = "x"): string {
    return tableName(`${this.schema}/${table}`);
  }

  async stageRows(target: Target, rows: readonly object[], given: Attempt = attempt()): Promise<Staged> {
    const writer = await this.store.stageRows(target, given);
    await writer.append(rows as readonly Record<string, unknown>[]);
    return await writer.finish();
  }

  async publishRows(target: Target, rows: readonly object[], change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    return await publish(await this.stageRows(target, rows, given), target, given);
  }

  async publishQuery(target: Target, sql: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    const staged = await this.store.stageQuery(target, sql, null, given);
    try {
      return await publish(staged, target, given);
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  async publishView(target: Target, sql: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    const staged = await this.store.stageView(target, sql, "full", null, given);
    try {
      return await publish(staged, target, given);
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  async publishCopy(
    target: Target,
    path: string,
    columns: Readonly<Record<string, string>> = {},
  ): Promise<StagedFacts> {
    const given = attempt();
    const staged = await this.store.stageCopy(target, parquet(path), new Map(Object.entries(columns)), given);
    return await publish(staged, target, given);
  }

  /** Counts and hashes rows without publishing them. */
  async facts(target: Target, rows: readonly object[]): Promise<StagedFacts> {
    const staged = await this.stageRows(target, rows);
    const facts = await staged.facts();
    await staged.discard();
    return facts;
  }

  /** Checks rows without publishing them. */
  async check(target: Target, rows: readonly object[], checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const staged = await this.stageRows(target, rows);
    try {
      return await staged.check(checks);
    } finally {
      await staged.discard();
    }
  }

  /** Runs SQL as another client would; `{x}` is the quoted name of the table x of this test. */
  async sql(text: string): Promise<TextRows> {
    return await this.server.sql(text.replaceAll(/\{(\w+)\}/g, (_, table: string) => this.name(table)));
  }

  /** Staging tables that are there now. */
  async stagingTables(): Promise<TextRows> {
    return await this.sql(
      `SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class AS c
        WHERE c.relnamespace = '_dagster_typescript'::regnamespace AND c.relname LIKE '\\_stage%' AND c.relkind = 'r'`,
    );
  }
}
