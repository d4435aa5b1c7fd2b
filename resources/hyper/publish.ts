import type { Check } from "../../definitions/check.ts";
import { ProjectError } from "../../definitions/project_error.ts";
import { runChecks } from "../checks.ts";
import { LATEST } from "../ledger_entry.ts";
import { earlierPublish } from "../publish_once.ts";
import type {
  Attempt,
  CheckContext,
  CheckOutcome,
  LedgerEntry,
  QuarantinedRow,
  Staged,
  StagedFacts,
  Target,
} from "../store.ts";
import { type Reading, readerAfterSwaps } from "./after_swaps.ts";
import { HYPER_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import type { Connections } from "./connections.ts";
import { columnDefinitions } from "./contract.ts";
import { ConflictError } from "./errors.ts";
import { hasTable } from "./has_table.ts";
import { inTurn } from "./in_turn.ts";
import { stagedFacts } from "./inspect.ts";
import {
  createTurn,
  findLedgerEntry,
  insertLedgerEntry,
  lastCursor,
  recentEntries,
  replaceQuarantine,
  takeTurn,
} from "./ledger.ts";
import { tableName } from "../quote.ts";
import { temporaryStage } from "./names.ts";
import { createOwnTables } from "./own_tables.ts";
import { fillNext, hasSwap, markDone, repair, repairInTurn, swapIn, widen } from "./swap.ts";
import { createTable, describeColumns, findChange } from "./table.ts";
import { requireWritable, writeStaged } from "./write.ts";

/**
 * Rows in a temporary table, which dies with its session: whatever kills the process, the server forgets them, and
 * rolls back a publish that was under way.
 */
export class HyperStaged implements Staged {
  statement: string | null = null;
  quarantined: readonly QuarantinedRow[] = [];
  /** Quoted name of the temporary table. */
  readonly stage: string;
  readonly client: Client;
  readonly target: Target;
  readonly #attempt: Attempt;
  readonly #connections: Connections;
  #ended = false;

  private constructor(client: Client, connections: Connections, target: Target, attempt: Attempt) {
    this.client = client;
    this.#connections = connections;
    this.target = target;
    this.#attempt = attempt;
    this.stage = temporaryStage(target.assetKey, attempt.runId);
  }

  /** Makes an empty temporary table in a session of its own. */
  static async begin(connections: Connections, target: Target, attempt: Attempt): Promise<HyperStaged> {
    const name = `dagster-typescript ${target.assetKey} ${attempt.runId}`;
    const client = await connections.take(attempt.signal, name);
    const staged = new HyperStaged(client, connections, target, attempt);
    try {
      if (await hasSwap(client, target.assetKey)) await repairInTurn(connections, target.assetKey);
      await client.run(`CREATE TEMPORARY TABLE ${staged.stage} (${columnDefinitions(target)})`);
      return staged;
    } catch (error) {
      await staged.release();
      throw error;
    }
  }

  /** For reading other tables by this session, which sees the staged rows. */
  get reading(): Reading {
    const { client, target } = this;
    return { client, connections: this.#connections, assetKey: target.assetKey, attempt: this.#attempt };
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<readonly CheckOutcome[]> {
    const rows = { columns: this.target.columns, relation: this.stage, buckets: this.target.buckets };
    return await runChecks(readerAfterSwaps(this.reading), HYPER_CHECKS, rows, checks, context);
  }

  async facts(): Promise<StagedFacts> {
    return await stagedFacts(this.client, this.target, this.stage);
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    const { client, target, stage } = this;
    await requireWritable(client, target, stage);
    const standing = await this.#inTurn(async () => {
      await createOwnTables(client);
      await createTurn(client, target.assetKey);
      for (;;) {
        const found = (await this.#publishAsItIs(entry)) ?? (await this.#publishChanged(entry));
        if (found !== undefined) return found;
      }
    });
    this.quarantined = [];
    await this.release();
    return standing;
  }

  /**
   * Writes the rows into the table, in one transaction, which takes no DDL; `undefined` if the table needs some before.
   *
   * @returns the entry that stands
   */
  async #publishAsItIs(entry: LedgerEntry): Promise<LedgerEntry | undefined> {
    const { client, target, stage } = this;
    if (!(await hasTable(client, tableName(target.assetKey)))) return undefined;
    const standing = await client.transaction(async () => {
      await takeTurn(client, target.assetKey, entry.runId);
      // Nobody else changes the table from here on.
      if (await hasSwap(client, target.assetKey)) return undefined;
      const change = await findChange(client, target);
      // The look at it has ended the transaction.
      if (change.kind === "create")
        throw new ConflictError("Hyper has to try again", stage, new Error("the table went while its publish began"));
      if (change.kind !== "none") return undefined;
      const earlier = await earlierPublish(target.strategy, entry, {
        find: () => findLedgerEntry(client, entry),
        lastCursor: () => lastCursor(client, entry.assetKey),
        lastRun: async () => (await recentEntries(client, entry.assetKey, LATEST))[0]?.runId,
      });
      if (earlier !== undefined) return earlier;
      await writeStaged(client, target, stage);
      await replaceQuarantine(client, target, this.#attempt, this.quarantined);
      await insertLedgerEntry(client, entry);
      return entry;
    });
    if (standing !== undefined)
      await this.#afterwards(() => describeColumns(client, target, tableName(target.assetKey)));
    return standing;
  }

  /**
   * Changes the table while another session has its turn: makes it, ends a swap that was left, puts another in its place.
   * Returns the entry if that published the rows, which are all of the other's.
   */
  async #publishChanged(entry: LedgerEntry): Promise<LedgerEntry | undefined> {
    const { client, target } = this;
    const { assetKey } = target;
    const turn = await this.#connections.take(this.#attempt.signal, `dagster-typescript ${assetKey} ${entry.runId}`);
    const swap = { hasBegun: false, publishes: target.strategy.kind === "replace" };
    try {
      await turn.transaction(async () => {
        await takeTurn(turn, assetKey, entry.runId);
        await repair(client, assetKey);
        const change = await findChange(client, target);
        if (change.kind === "create") await createTable(client, target);
        if (change.kind !== "swap") return;
        swap.hasBegun = true;
        if (!swap.publishes) {
          await markDone(turn, assetKey, entry.runId);
          await widen(client, target, change.kept, entry.runId);
          return;
        }
        await fillNext(client, target, { from: this.stage, columns: target.columns }, entry.runId);
        await replaceQuarantine(turn, target, this.#attempt, this.quarantined);
        await insertLedgerEntry(turn, entry);
        await markDone(turn, assetKey, entry.runId);
        await swapIn(client, target);
      });
    } catch (error) {
      // The fault to tell of is the first one; what is left now is put right by the next run.
      if (swap.hasBegun) await repairInTurn(this.#connections, assetKey).catch(() => undefined);
      throw error;
    } finally {
      this.#connections.give(turn);
    }
    // The old rows are in the other table now. What is left of the swap is tidied by the look at the table that follows.
    if (!swap.hasBegun || !swap.publishes) return undefined;
    await this.#afterwards(() => repairInTurn(this.#connections, assetKey));
    return entry;
  }

  /** The rows are published: what follows must not turn the run red. */
  async #afterwards(act: () => Promise<void>): Promise<void> {
    await act().catch((error: unknown) => {
      // What the server said: our own words for a fault are about those before a commit.
      const { cause } = error instanceof ProjectError ? error : { cause: error };
      this.#attempt.log(
        `${this.target.assetKey} is published; what follows its publish failed, and is done by the next one: ` +
          (cause instanceof Error ? cause.message : String(error)),
      );
    });
  }

  async discard(): Promise<void> {
    if (this.#ended) return;
    try {
      this.client.serveNobody();
      const isKept = this.quarantined.length > 0 && this.#attempt.replay === undefined;
      if (isKept && this.client.usable) await this.keepQuarantine();
    } finally {
      await this.release();
    }
  }

  /** Keeps the quarantined rows of an attempt that publishes nothing, for people to look at. */
  async keepQuarantine(): Promise<void> {
    const { client, target, quarantined } = this;
    this.client.serveNobody();
    await this.#inTurn(async () => {
      await createOwnTables(client);
      await client.transaction(() => replaceQuarantine(client, target, this.#attempt, quarantined));
    });
    this.quarantined = [];
  }

  /** Forgets the rows and gives the session back. */
  async release(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.client.serveNobody();
    try {
      await this.client.run(`DROP TABLE IF EXISTS ${this.stage}`);
    } catch {
      // The session goes, and its temporary tables with it.
      await this.client.close();
    }
    this.#connections.give(this.client);
  }

  /** Does it again as long as others write the same rows. */
  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    return await inTurn(this.target.assetKey, this.#attempt, this.#connections.lockTimeoutMs, act);
  }
}
