import type { Check } from "../../definitions/check.ts";
import { runChecks } from "../checks.ts";
import { LATEST } from "../ledger_entry.ts";
import { earlierPublish } from "../publish_once.ts";
import type { CheckContext, CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { stagedFacts } from "./inspect.ts";
import { createOwnTables, findLedgerEntry, insertLedgerEntry, lastCursor, recentEntries } from "./ledger.ts";
import { quote, stagingName } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import { writeStaged } from "./write.ts";

/**
 * Rows staged inside the warehouse, in one transaction that ends with their publish: whatever kills the process before
 * its commit, readers and the file are as if nothing had happened.
 */
export class WarehouseStaged implements Staged {
  readonly statement: string | null;
  readonly #client: Client;
  readonly #target: Target;
  readonly #stage: string;
  #isSpoilt = false;

  private constructor(client: Client, target: Target, stage: string, statement: string | null) {
    this.#client = client;
    this.#target = target;
    this.#stage = stage;
    this.statement = statement;
  }

  /**
   * Begins the transaction for rows that are staged in an attached file: they go straight into the table that is there.
   *
   * @param stage The quoted name of their table.
   */
  static async over(
    client: Client,
    target: Target,
    options: { readonly stage: string; readonly statement: string | null },
    prepare: () => Promise<void>,
  ): Promise<WarehouseStaged> {
    const staged = new WarehouseStaged(client, target, options.stage, options.statement);
    try {
      await client.run("BEGIN TRANSACTION");
      await prepare();
      return staged;
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  /** Begins the transaction, makes the staging table and lets `fill` write it. */
  static async begin(
    client: Client,
    target: Target,
    options: { readonly runId: string; readonly statement: string | null },
    fill: (stage: string) => Promise<void>,
  ): Promise<WarehouseStaged> {
    const stage = `${quote(target.schema)}.${quote(stagingName(target.assetKey, options.runId))}`;
    const staged = new WarehouseStaged(client, target, stage, options.statement);
    try {
      await client.run("BEGIN TRANSACTION");
      await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(target.schema)}`);
      await client.run(`CREATE TABLE ${stage} (${columnDefinitions(target)})`);
      await fill(stage);
      return staged;
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  get isSpoilt(): boolean {
    return this.#isSpoilt;
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<CheckOutcome[]> {
    const { columns, buckets } = this.#target;
    const reader = {
      text: (statement: Statement) => this.#client.text(statement),
      guard: <T>(act: () => Promise<T>) => this.#guard(act),
    };
    return await runChecks(reader, DUCKDB_CHECKS, { columns, relation: this.#stage, buckets }, checks, context);
  }

  async facts(): Promise<StagedFacts> {
    return await stagedFacts(this.#client, this.#target, this.#stage);
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    const client = this.#client;
    const earlier = await earlierPublish(this.#target.strategy, entry, {
      find: () => findLedgerEntry(client, entry),
      lastCursor: () => lastCursor(client, entry.assetKey),
      lastRun: async () => (await recentEntries(client, entry.assetKey, LATEST))[0]?.runId,
    });
    if (earlier !== undefined) {
      await this.discard();
      return earlier;
    }
    await writeStaged(client, this.#target, this.#stage);
    await createOwnTables(client);
    await insertLedgerEntry(client, entry);
    await client.run("COMMIT");
    return entry;
  }

  /** A statement that fails on a value ends the transaction, and DuckDB has no savepoints. */
  async #guard<T>(act: () => Promise<T>): Promise<T> {
    if (this.#isSpoilt)
      throw new TypeError("not run: a check before it failed with an error, which ended the transaction");
    try {
      return await act();
    } catch (error) {
      await this.#client.run("SELECT 1").catch(() => {
        this.#isSpoilt = true;
      });
      throw error;
    }
  }

  async discard(): Promise<void> {
    try {
      await this.#client.run("ROLLBACK");
    } catch {
      // No transaction is open: it failed to begin, or the engine has rolled it back by itself.
    }
  }
}
