import type { Check } from "../../definitions/check.ts";
import { runChecks } from "../checks.ts";
import type { Attempt, CheckContext, CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../store.ts";
import { CLICKHOUSE_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { ViewReplacedError } from "./errors.ts";
import type { Inner } from "./incremental_build.ts";
import { stagedFacts } from "./inspect.ts";
import { prepareEntry, settleEntry } from "./ledger.ts";
import { type IsOpen, type Lock, withLock } from "./lock.ts";
import { ownName, uuidOf } from "./names.ts";
import { literal, ownTable, quote } from "./quote.ts";
import { syncOwn } from "./replicas.ts";
import { settlePlace } from "./settle.ts";
import { dropUnusedInner } from "./staging.ts";
import { dropOwn, newOwn, onCluster } from "./tables.ts";
import { putInPlace } from "./write.ts";

/**
 * An incremental view that is to be read: a view over the inner table, which puts the rows of each key together. It takes
 * the asset's name as a table does, with the same ledger and lock: see {@link ClickHouseStaged}. Only then what was read
 * before is dropped.
 */
export class IncrementalStaged implements Staged {
  readonly statement: string;
  readonly #client: Client;
  readonly #target: Target;
  readonly #attempt: Attempt;
  readonly #isOpen: IsOpen;
  readonly #inner: Inner;
  readonly #view: string;
  /** The inner table of the view that was read before, once another view is to take its place. */
  #before: string | undefined;
  #isPublished = false;

  private constructor(
    client: Client,
    target: Target,
    attempt: Attempt,
    inner: Inner,
    options: { readonly view: string; readonly isOpen: IsOpen },
  ) {
    this.#client = client;
    this.#target = target;
    this.#attempt = attempt;
    this.#inner = inner;
    this.#view = options.view;
    this.#isOpen = options.isOpen;
    this.statement = inner.statement;
  }

  /** Makes the view. Each run makes it anew: it has the contract's descriptions, and the UUID that the ledger goes by. */
  static async create(
    client: Client,
    target: Target,
    attempt: Attempt,
    inner: Inner,
    isOpen: IsOpen,
  ): Promise<IncrementalStaged> {
    const view = ownName("build", target.assetKey, attempt.runId);
    const staged = new IncrementalStaged(client, target, attempt, inner, { view, isOpen });
    const { read, groupBy } = inner.shape;
    try {
      await client.run(
        // Who may read the view need not have rights on the runtime's own database.
        `CREATE VIEW ${newOwn(client, view)} (${columnDefinitions(target.columns)}) ` +
          `DEFINER = CURRENT_USER SQL SECURITY DEFINER AS ` +
          `SELECT ${read} FROM ${ownTable(inner.name)} AS parts GROUP BY ${groupBy} COMMENT ${literal(target.description)}`,
      );
    } catch (error) {
      await staged.discard().catch(() => undefined);
      throw error;
    }
    return staged;
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<readonly CheckOutcome[]> {
    const { columns, buckets } = this.#target;
    const rows = { columns, relation: ownTable(this.#view), buckets };
    return await runChecks(this.#client, CLICKHOUSE_CHECKS, rows, checks, context);
  }

  async facts(): Promise<StagedFacts> {
    return await stagedFacts(this.#client, this.#target, ownTable(this.#view));
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    await withLock(this.#client, this.#target.assetKey, this.#attempt, this.#isOpen, (lock) =>
      this.#publish(entry, lock),
    );
    this.#isPublished = true;
    await this.#tidy().catch((error: unknown) => {
      this.#attempt.log(`Published; what is left of the former view will be dropped by a later run: ${String(error)}`);
    });
    return entry;
  }

  async discard(): Promise<void> {
    if (!this.#isPublished) await this.#tidy();
  }

  /** When our view is gone, an exchange that got no answer has been, or will fail: what is read now tells which. */
  async #tidy(): Promise<void> {
    const client = this.#client.unending();
    await dropOwn(client, this.#view);
    const { name, isNew } = this.#inner;
    const inners = [isNew && !this.#isPublished ? name : undefined, this.#before === name ? undefined : this.#before];
    await dropUnusedInner(
      client,
      inners.filter((one) => one !== undefined),
    );
  }

  async #publish(entry: LedgerEntry, lock: Lock): Promise<void> {
    const [client, target] = [this.#client, this.#target];
    const { named } = await settlePlace(client, target, this.#isOpen);
    const inner = named?.inner;
    if (!this.#inner.isNew && inner !== this.#inner.name) {
      throw new ViewReplacedError(
        `${target.assetKey} was made anew by another run, after this one had looked at it: run it again`,
      );
    }
    const isPresent = named !== undefined;
    if (!isPresent) await client.run(`CREATE DATABASE IF NOT EXISTS ${quote(target.schema)}${onCluster(client)}`);
    await prepareEntry(client, entry, uuidOf(this.#view));
    if (isPresent) await this.#keepComments();
    await syncOwn(client, this.#inner.name);
    await lock.requireHeld({ schema: target.schema, table: target.table, definition: named?.definition ?? "" });
    this.#before = inner;
    await putInPlace(client, this.#view, target, isPresent);
    await settleEntry(client.unending(), target);
  }

  /** What people wrote on columns that have no description. */
  async #keepComments(): Promise<void> {
    const { schema, table, columns } = this.#target;
    const { rows } = await this.#client.text({
      text: "SELECT name, comment FROM system.columns WHERE database = {p1:String} AND table = {p2:String} AND comment <> ''",
      parameters: [schema, table],
    });
    const written = new Map(rows.map(([name, comment]) => [name, comment ?? ""]));
    const comments = columns.flatMap(({ name, description }) => {
      const comment = description === null ? written.get(name) : undefined;
      return comment === undefined ? [] : [`COMMENT COLUMN ${quote(name)} ${literal(comment)}`];
    });
    if (comments.length > 0)
      await this.#client.run(`ALTER TABLE ${ownTable(this.#view)}${onCluster(this.#client)} ${comments.join(", ")}`);
  }
}
