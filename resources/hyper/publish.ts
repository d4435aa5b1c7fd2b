import { setTimeout as wait } from "node:timers/promises";
import type { Check } from "../../definitions/check.ts";
import { runChecks } from "../checks.ts";
import { requireCursor } from "../cursor.ts";
import type { Attempt, CheckOutcome, LedgerEntry, QuarantinedRow, Staged, StagedFacts, Target } from "../store.ts";
import { HYPER_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import type { Connections } from "./connections.ts";
import { columnDefinitions } from "./contract.ts";
import { ConflictError, TableLockedError } from "./errors.ts";
import { stagedFacts } from "./inspect.ts";
import {
  createOwnTables,
  createTurn,
  findLedgerEntry,
  insertLedgerEntry,
  lastCursor,
  replaceQuarantine,
  takeTurn,
} from "./ledger.ts";
import { temporaryStage } from "./names.ts";
import { prepareTable } from "./table.ts";
import { requireWritable, writeStaged } from "./write.ts";

/** How long another publish of the same table may take. */
const TURN_TIMEOUT_MS = 300_000;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;
const MESSAGE_AFTER_MS = 1_000;

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
      await client.run(`CREATE TEMPORARY TABLE ${staged.stage} (${columnDefinitions(target)})`);
      return staged;
    } catch (error) {
      await staged.release();
      throw error;
    }
  }

  async check(checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const rows = { columns: this.target.columns, relation: this.stage, buckets: this.target.buckets };
    return await runChecks(this.client, HYPER_CHECKS, rows, checks);
  }

  async facts(): Promise<StagedFacts> {
    return await stagedFacts(this.client, this.target, this.stage);
  }

  async publish(entry: LedgerEntry): Promise<void> {
    const { client, target, stage } = this;
    await requireWritable(client, target, stage);
    await this.#inTurn(async () => {
      await createOwnTables(client);
      await createTurn(client, target.assetKey);
      const table = await prepareTable(client, target);
      try {
        await client.transaction(async () => {
          await takeTurn(client, target.assetKey, entry.runId);
          // A killed attempt may have sent its COMMIT, and the server done it after this one had looked.
          if (target.strategy.kind === "append" && (await findLedgerEntry(client, entry)) !== undefined) return;
          requireCursor(entry, await lastCursor(client, entry.assetKey));
          await writeStaged(client, target, stage);
          await replaceQuarantine(client, target.assetKey, entry.runId, this.quarantined);
          await insertLedgerEntry(client, entry);
        });
      } catch (error) {
        // The fault to tell of is the first one; what is left aside is put right by the next publish.
        await table.failed().catch(() => undefined);
        throw error;
      }
      this.quarantined = [];
      // The rows are published: what follows must not turn the run red.
      await table.published().catch((error: unknown) => {
        this.#attempt.log(`${target.assetKey} is published; its descriptions are not written: ${String(error)}`);
      });
    });
    await this.release();
  }

  async discard(): Promise<void> {
    if (this.#ended) return;
    try {
      this.client.serveNobody();
      if (this.quarantined.length > 0 && this.client.usable) await this.keepQuarantine();
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
      await client.transaction(() => replaceQuarantine(client, target.assetKey, this.#attempt.runId, quarantined));
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
  async #inTurn(act: () => Promise<void>): Promise<void> {
    const { signal, log } = this.#attempt;
    const { assetKey } = this.target;
    const start = performance.now();
    let told = false;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_WAIT_MS)) {
      try {
        await act();
        return;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        const waited = performance.now() - start;
        if (waited > TURN_TIMEOUT_MS) {
          throw new TableLockedError(
            `${assetKey} was still being written by another transaction after ${Math.round(waited / 1000)} s; nothing was published`,
            { cause: error },
          );
        }
        if (waited > MESSAGE_AFTER_MS && !told) log(`Waiting for another transaction that writes ${assetKey}`);
        told ||= waited > MESSAGE_AFTER_MS;
        // A random part, so that processes that wait together do not keep meeting.
        await wait(waitMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {
          signal.throwIfAborted();
        });
      }
    }
  }
}
