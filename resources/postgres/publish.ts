import type { Check } from "../../definitions/check.ts";
import { runChecks } from "../checks.ts";
import { LATEST } from "../ledger_entry.ts";
import { earlierPublish } from "../publish_once.ts";
import type { Attempt, CheckContext, CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../store.ts";
import { checkReader, POSTGRES_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import type { Connections, Transaction } from "./connections.ts";
import { stagedFacts } from "./inspect.ts";
import {
  createOwnTables,
  findLedgerEntry,
  insertLedgerEntry,
  lastCursor,
  lockAsset,
  recentEntries,
  replaceQuarantine,
} from "./ledger.ts";
import type { LockWait } from "./lock_wait.ts";
import { placeView, type StagedView } from "./materialized_view.ts";
import { keepReadersOut } from "./partitions.ts";
import { requireRows } from "./staging.ts";
import { writeStaged } from "./write.ts";

/** Rows in a staging table, and where their statements run. */
abstract class StagingTable implements Staged {
  readonly statement: string | null;
  protected readonly connections: Connections;
  protected readonly target: Target;
  protected readonly attempt: Attempt;
  protected readonly stage: string;

  constructor(
    connections: Connections,
    target: Target,
    attempt: Attempt,
    stage: string,
    statement: string | null = null,
  ) {
    this.connections = connections;
    this.target = target;
    this.attempt = attempt;
    this.stage = stage;
    this.statement = statement;
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<CheckOutcome[]> {
    const rows = { columns: this.target.columns, relation: this.stage, buckets: this.target.buckets };
    return await this.run((client) => runChecks(checkReader(client), POSTGRES_CHECKS, rows, checks, context));
  }

  async facts(): Promise<StagedFacts> {
    return await this.run((client) => stagedFacts(client, this.target, this.stage));
  }

  /** Makes the rows the table's; whether readers are to wait for the commit. */
  protected async place(client: Client, rowCount: bigint, locks: LockWait): Promise<boolean> {
    return await writeStaged(client, this.target, { name: this.stage, rowCount }, locks);
  }

  abstract publish(entry: LedgerEntry): Promise<LedgerEntry>;
  abstract discard(): Promise<void>;
  protected abstract run<T>(act: (client: Client) => Promise<T>): Promise<T>;

  /** All that a publish does, inside one transaction; returns the entry that stands. */
  protected async write(client: Client, entry: LedgerEntry): Promise<LedgerEntry> {
    await createOwnTables(client);
    await lockAsset(client, this.target.assetKey);
    const earlier = await earlierPublish(this.target.strategy, entry, {
      find: () => findLedgerEntry(client, entry),
      lastCursor: () => lastCursor(client, entry.assetKey),
      lastRun: async () => (await recentEntries(client, entry.assetKey, LATEST))[0]?.runId,
    });
    if (earlier !== undefined) {
      await this.forget(client);
      return earlier;
    }
    const locks = { timeoutMs: this.connections.config.lockTimeoutMs, log: this.attempt.log };
    const readersWait = await this.place(client, entry.rowCount, locks);
    await insertLedgerEntry(client, entry);
    await this.keepRejected(client);
    if (readersWait) await keepReadersOut(client, this.target, locks);
    return entry;
  }

  /** Drops what was staged, where the rows are the table's already. */
  protected async forget(client: Client): Promise<void> {
    await client.run(`DROP TABLE ${this.stage}`);
  }

  /** Keeps the rows that broke the contract, for people to look at. */
  protected async keepRejected(_client: Client): Promise<void> {
    // Only rows from TypeScript are looked at one by one.
  }
}

/**
 * Rows of a query, staged in the transaction that publishes them: whatever kills the process before its commit, the
 * server is as if nothing had happened.
 */
export class StagedInTransaction extends StagingTable {
  readonly #transaction: Transaction;

  constructor(
    transaction: Transaction,
    ...table: [connections: Connections, target: Target, attempt: Attempt, stage: string, statement: string]
  ) {
    super(...table);
    this.#transaction = transaction;
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    const standing = await this.#transaction.run((client) => this.write(client, entry));
    await this.#transaction.commit();
    return standing;
  }

  async discard(): Promise<void> {
    await this.#transaction.rollback();
  }

  protected async run<T>(act: (client: Client) => Promise<T>): Promise<T> {
    return await this.#transaction.run(act);
  }
}

/** Rows in a table that outlives its transaction: a slow source holds none open. An orphan when the process dies. */
export class StagedInTable extends StagingTable {
  readonly #rowCount: bigint;
  readonly #quarantine: string | null;

  /**
   * @param filled.rowCount Rows that the server took.
   * @param filled.quarantine The table with the quarantined rows; `null`: there are none.
   */
  constructor(
    filled: { readonly rowCount: bigint; readonly quarantine: string | null },
    ...table: [connections: Connections, target: Target, attempt: Attempt, stage: string, statement: string | null]
  ) {
    super(...table);
    this.#rowCount = filled.rowCount;
    this.#quarantine = filled.quarantine;
  }

  override async facts(): Promise<StagedFacts> {
    const facts = await super.facts();
    requireRows(this.target, this.#rowCount, facts.rowCount);
    return facts;
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    return await this.run((client) => this.write(client, entry));
  }

  async discard(): Promise<void> {
    const { assetKey } = this.target;
    // Also after the end of the run was asked for.
    await this.connections.transaction({ assetKey, runId: this.attempt.runId }, async (client) => {
      await client.run(`DROP TABLE IF EXISTS ${this.stage}`);
      if (this.#quarantine === null) return;
      if (this.attempt.replay === undefined) await this.#keepQuarantine(client);
      else await client.run(`DROP TABLE IF EXISTS ${this.#quarantine}`);
    });
  }

  protected override async forget(client: Client): Promise<void> {
    await super.forget(client);
    if (this.#quarantine !== null) await client.run(`DROP TABLE ${this.#quarantine}`);
  }

  protected override async keepRejected(client: Client): Promise<void> {
    // A copy quarantines nothing, and leaves what rows were quarantined before.
    if (this.statement === null) await this.#keepQuarantine(client);
  }

  protected async run<T>(act: (client: Client) => Promise<T>): Promise<T> {
    const { runId, signal } = this.attempt;
    return await this.connections.transaction({ assetKey: this.target.assetKey, runId, signal }, act);
  }

  async #keepQuarantine(client: Client): Promise<void> {
    await replaceQuarantine(client, this.target, this.attempt, this.#quarantine);
    if (this.#quarantine !== null) await client.run(`DROP TABLE IF EXISTS ${this.#quarantine}`);
  }
}

/** A materialised view, refreshed or made in the transaction that publishes it. */
export class StagedMaterializedView extends StagedInTransaction {
  readonly #view: StagedView;

  constructor(
    view: StagedView,
    ...table: [transaction: Transaction, connections: Connections, target: Target, attempt: Attempt, statement: string]
  ) {
    const [transaction, connections, target, attempt, statement] = table;
    super(transaction, connections, target, attempt, view.name, statement);
    this.#view = view;
  }

  protected override async place(client: Client, _rowCount: bigint, locks: LockWait): Promise<boolean> {
    await placeView(client, this.target, this.#view, locks);
    return false;
  }
}
