import type { Check } from "../../definitions/check.ts";
import { runChecks } from "../checks.ts";
import type { Attempt, CheckContext, CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../store.ts";
import { CLICKHOUSE_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { requireValues, valueRules } from "./contract.ts";
import { ClickHouseStatementError, TableChangedError } from "./errors.ts";
import { stagedFacts } from "./inspect.ts";
import { LATEST } from "../ledger_entry.ts";
import { earlierPublish } from "../publish_once.ts";
import {
  findLedgerEntry,
  lastCursor,
  prepareEntry,
  recentEntries,
  recordEntry,
  recordExchange,
  settleEntry,
} from "./ledger.ts";
import { dropReplayed } from "./quarantine.ts";
import { type IsOpen, type Lock, type Standing, withLock } from "./lock.ts";
import { awaitMutations, lookAtMutations } from "./mutations.ts";
import { ownName, uuidOf } from "./names.ts";
import { attachOthers, buildPartitions, replaceInPlace } from "./partitions.ts";
import { getTable, hangsTheSame, isUnchanged, type OwnTable, type Table } from "./place.ts";
import { ownTable, quote } from "./quote.ts";
import { syncOwn } from "./replicas.ts";
import { settlePlace } from "./settle.ts";
import { dropInner, type Stage, writesPartitions } from "./staging.ts";
import { bringUpToContract, changesToContract, dropOwn, onCluster } from "./tables.ts";
import { build, putInPlace, requireWritable } from "./write.ts";

/** How often a table is made again because people altered the one in place meanwhile. */
const MAX_REBUILDS = 3;

/**
 * Rows staged in a table of their own.
 *
 * ClickHouse has no transactions, so one statement is the publish: `EXCHANGE TABLES` (the first time `RENAME`), which
 * readers see whole or not at all. All that must be true together with it is said before, about the UUID of the table
 * that is going to take the place:
 *
 * 1. The lock of the asset is taken; tables of dead owners are dropped, so that no late statement of theirs can put them
 *    in place any more.
 * 2. The line of the table that is in place is settled: copied from the prepared lines into the ledger, if its process
 *    died before it could.
 * 3. The new table is made, and its prepared line written, with its UUID; that of a table that was made before already
 *    beside 1.
 * 4. The tables are exchanged. From here on the prepared line holds: its UUID is the one in place.
 * 5. The line is settled; the old rows are dropped.
 *
 * A kill before 4 leaves a prepared line about a table that is in no place, which nobody counts. A kill after 4 leaves
 * one that everybody counts, and the next publish settles. See docs/adr/0008-clickhouse-publish-without-transactions.md.
 */
export class ClickHouseStaged implements Staged {
  readonly statement: string | null;
  readonly #client: Client;
  readonly #target: Target;
  readonly #attempt: Attempt;
  readonly #isOpen: IsOpen;
  readonly #stage: Stage;
  /** Tables of ours to be dropped at the end. */
  readonly #own: Set<string>;
  /** Of the incremental view that had the table's place. */
  #inner: string | undefined;
  /** The latest mutation of the table of which a copy is made. */
  #mutation: string | undefined;
  /** Whether the values are known to be the contract's. */
  #isProven: boolean;

  constructor(
    client: Client,
    target: Target,
    attempt: Attempt,
    stage: Stage,
    options: { readonly statement: string | null; readonly isOpen: IsOpen },
  ) {
    this.#client = client;
    this.#target = target;
    this.#attempt = attempt;
    this.#stage = stage;
    this.#own = new Set([stage.name]);
    this.#isOpen = options.isOpen;
    this.statement = options.statement;
    // Rows that came from TypeScript were validated.
    this.#isProven = options.statement === null;
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<readonly CheckOutcome[]> {
    if (checks.length === 0) return [];
    // A check may not find its way in values that are none.
    await this.#requireValues();
    const { columns, buckets } = this.#target;
    const rows = { columns, relation: ownTable(this.#stage.name), buckets };
    return await runChecks(this.#client, CLICKHOUSE_CHECKS, rows, checks, context);
  }

  async facts(): Promise<StagedFacts> {
    const rules = this.#isProven ? [] : valueRules(this.#target);
    const facts = await stagedFacts(this.#client, this.#target, ownTable(this.#stage.name), rules);
    this.#isProven = true;
    return facts;
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    await this.#requireValues();
    await requireWritable(this.#client, this.#target, this.#stage.name);
    // Beside the way to the lock: a line about a table that never comes into place counts for nothing.
    const prepared = this.#prepare(entry);
    prepared.catch(() => undefined);
    const standing = await withLock(this.#client, this.#target.assetKey, this.#attempt, this.#isOpen, (lock) =>
      this.#publishUnaltered(entry, lock, prepared),
    );
    const { replay } = this.#attempt;
    if (replay !== undefined)
      await dropReplayed(this.#client.unending(), this.#target.assetKey, replay).catch((error: unknown) => {
        this.#attempt.log(`Published; what was replayed is not out of the quarantine yet: ${String(error)}`);
      });
    await this.discard().catch((error: unknown) => {
      this.#attempt.log(`Published; what is left of staging will be dropped by a later run: ${String(error)}`);
    });
    return standing;
  }

  async discard(): Promise<void> {
    await this.#dropOwn();
    if (this.#inner !== undefined) await dropInner(this.#client.unending(), this.#inner);
  }

  /** @param kept Is not dropped. */
  async #dropOwn(kept?: string): Promise<void> {
    for (const name of this.#own) {
      if (name === kept) continue;
      await dropOwn(this.#client.unending(), name);
      this.#own.delete(name);
    }
  }

  async #requireValues(): Promise<void> {
    if (!this.#isProven) await requireValues(this.#client, this.#target, ownTable(this.#stage.name));
    this.#isProven = true;
  }

  /** Writes the line of the staged table where that one is to take the place. @returns its UUID */
  async #prepare(entry: LedgerEntry): Promise<string | undefined> {
    if (this.#target.strategy.kind !== "replace") return undefined;
    const uuid = uuidOf(this.#stage.name);
    await prepareEntry(this.#client, entry, uuid);
    return uuid;
  }

  /** What people add to the table while its copy is made is not in the copy: so another is made. */
  async #publishUnaltered(entry: LedgerEntry, lock: Lock, prepared: Promise<string | undefined>): Promise<LedgerEntry> {
    for (let rebuilds = 0; ; rebuilds += 1) {
      try {
        return await this.#publish(entry, lock, prepared);
      } catch (error) {
        if (!(error instanceof TableChangedError) || rebuilds === MAX_REBUILDS) throw error;
        this.#attempt.log(`${this.#target.assetKey} was altered while a copy of it was made: it is copied again`);
        await this.#dropOwn(this.#stage.name);
      }
    }
  }

  async #publish(entry: LedgerEntry, lock: Lock, prepared: Promise<string | undefined>): Promise<LedgerEntry> {
    const [client, target] = [this.#client, this.#target];
    const { own, named, wasUnsettled, publishedAt } = await settlePlace(client, target, this.#isOpen);
    const isPresent = named !== undefined;
    const [earlier, looked] = await Promise.all([
      earlierPublish(target.strategy, entry, {
        find: () => findLedgerEntry(client, target, entry),
        lastCursor: () => lastCursor(client, target),
        lastRun: async () => (await recentEntries(client, target, LATEST))[0]?.runId,
      }),
      isPresent && target.strategy.kind !== "replace" ? lookAtMutations(client, target) : undefined,
    ]);
    if (earlier !== undefined) return earlier;

    // A copy of its files would be without what people change there.
    this.#mutation = looked === undefined ? undefined : await awaitMutations(client, target, this.#attempt, looked);
    const present = await getTable(client, target, named, this.#stage.like);
    if (!isPresent) await client.run(`CREATE DATABASE IF NOT EXISTS ${quote(target.schema)}${onCluster(client)}`);
    if (present !== undefined && (await this.#replaceInPlace(present, entry, lock))) return entry;
    const { name, uuid } = await this.#building(lock, present, () => this.#make(present, entry, own, prepared));
    await syncOwn(client, name);
    // Where nothing was asked since, the look tells whose the lock is, and what the ledger holds.
    const isFresh = client.config.cluster === null && !wasUnsettled;
    if (isUnchanged(this.#stage.like, named) && name === this.#stage.name && isFresh) {
      lock.requireIn(own);
      await this.#exchange(name, lock, isPresent, (unending) => recordExchange(unending, entry, uuid, publishedAt));
    } else {
      await lock.requireHeld(this.#standing(present ?? named));
      await this.#exchange(name, lock, isPresent);
    }
    this.#inner = named?.inner;
    return entry;
  }

  /** What the table in place has to be still; nothing, where there is none. */
  #standing(seen: { readonly definition: string } | undefined): Standing {
    const { schema, table } = this.#target;
    return { schema, table, definition: seen?.definition ?? "", mutation: this.#mutation };
  }

  /**
   * What copies a table fails where it was altered since the look at it: then that is what is wrong.
   *
   * @throws TableChangedError
   */
  async #building<T>(lock: Lock, present: Table | undefined, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof ClickHouseStatementError && !error.retryable && present !== undefined)
        await lock.requireHeld(this.#standing(present));
      throw error;
    }
  }

  /**
   * Steps 4 and 5; the line was prepared, so the lock goes beside 5: who has it next settles what is in place.
   *
   * @param settle Writes the line into the ledger.
   */
  async #exchange(
    name: string,
    lock: Lock,
    isPresent: boolean,
    settle = (unending: Client): Promise<void> => settleEntry(unending, this.#target),
  ): Promise<void> {
    await putInPlace(this.#client, name, this.#target, isPresent);
    if (!isPresent) this.#own.delete(name);
    // What could not be dropped is tried again later.
    const dropped = this.#dropOwn().catch(() => undefined);
    await Promise.all([settle(this.#client.unending()), dropped, lock.giveBack()]);
  }

  /**
   * Replaces partitions of the table that is in place, where that is one step for readers, or the asset wants it so. The
   * ledger line comes after it: a process that dies in between leaves no line, and its rerun replaces the same partitions
   * by the same rows again. The others are linked to a table that takes the place at once.
   *
   * @returns false when the table as a whole must be replaced
   */
  async #replaceInPlace(present: Table, entry: LedgerEntry, lock: Lock): Promise<boolean> {
    const [client, target, { strategy, storage }] = [this.#client, this.#target, this.#target];
    if (strategy.kind !== "replacePartitions" || !writesPartitions(present, target)) return false;
    const changes = changesToContract(present, target);
    const name = ownName("build", target.assetKey, this.#attempt.runId);
    this.#own.add(name);
    const { like } = this.#stage;
    const isTwin = like !== undefined && hangsTheSame(like, present);
    const isDone = await this.#building(lock, present, async () => {
      const touched = await buildPartitions(client, name, present, target, this.#stage, strategy.partitions, isTwin);
      const isOneStep = touched.length <= 1 || storage.clickhouse?.replacePartitions === "oneByOne";
      if (isOneStep && changes.length === 0 && present.comment === target.description) {
        await replaceInPlace(client, name, target, touched, () => lock.requireHeld(this.#standing(present)));
        return true;
      }
      await attachOthers(client, name, target, touched);
      await bringUpToContract(client, name, present, target);
      return false;
    });
    if (isDone) {
      await recordEntry(client.unending(), entry);
      return true;
    }
    await prepareEntry(client, entry, uuidOf(name));
    await syncOwn(client, name);
    await lock.requireHeld(this.#standing(present));
    await this.#exchange(name, lock, true);
    return true;
  }

  /** The table that is to take the place, whose line is prepared. */
  async #make(
    present: Table | undefined,
    entry: LedgerEntry,
    own: readonly OwnTable[],
    prepared: Promise<string | undefined>,
  ): Promise<{ readonly name: string; readonly uuid: string }> {
    const client = this.#client;
    const { like } = this.#stage;
    const isReady =
      present === undefined ||
      (this.#target.strategy.kind === "replace" && like !== undefined && hangsTheSame(like, present));
    if (isReady) {
      const { name } = this.#stage;
      const uuid = own.find((table) => table.name === name)?.uuid ?? uuidOf(name);
      if ((await prepared) !== uuid) await prepareEntry(client, entry, uuid);
      return { name, uuid };
    }
    const name = ownName("build", this.#target.assetKey, this.#attempt.runId);
    this.#own.add(name);
    const uuid = uuidOf(name);
    const line = prepareEntry(client, entry, uuid);
    line.catch(() => undefined);
    await build(client, name, this.#target, present, this.#stage, this.#attempt.log);
    await line;
    return { name, uuid };
  }
}
