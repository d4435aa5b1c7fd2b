import type { Attempt, QuarantinedRow, RowWriter, Staged, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { replaceQuarantine } from "./ledger.ts";
import { ClickHouseStaged } from "./publish.ts";
import type { IsOpen } from "./lock.ts";
import { ownTable } from "./quote.ts";
import type { Stage } from "./staging.ts";
import { dropOwn } from "./tables.ts";
import { toJson } from "./values.ts";

/** Text of one insert: each makes a part on the disk, and two are held in memory at a time. */
const INSERT_LENGTH = 8 * 1024 * 1024;

/**
 * Writes validated rows into a staging table: one insert is under way while the next fills. Inserts are short, so that
 * a slow source never keeps a connection idle.
 */
export class ClickHouseRowWriter implements RowWriter {
  readonly #client: Client;
  readonly #target: Target;
  readonly #attempt: Attempt;
  readonly #stage: Stage;
  readonly #isOpen: IsOpen;
  readonly #columns: readonly {
    readonly name: string;
    readonly convert: (value: never) => string | number | boolean;
  }[];
  readonly #statement: string;
  readonly #quarantine: QuarantinedRow[] = [];
  #lines: string[] = [];
  #length = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(client: Client, target: Target, attempt: Attempt, stage: Stage, isOpen: IsOpen) {
    this.#client = client;
    this.#target = target;
    this.#attempt = attempt;
    this.#stage = stage;
    this.#isOpen = isOpen;
    this.#columns = target.columns.map((column) => ({ name: column.name, convert: toJson(column) }));
    this.#statement = `INSERT INTO ${ownTable(stage.name)} (${columnNames(target)}) FORMAT JSONCompactEachRow`;
  }

  async append(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    for (const row of rows) {
      const values = this.#columns.map(({ name, convert }) => {
        const value = row[name];
        return value === null || value === undefined ? null : convert(value as never);
      });
      const line = JSON.stringify(values);
      this.#lines.push(line);
      this.#length += line.length + 1;
      if (this.#length >= INSERT_LENGTH) await this.#send();
    }
  }

  quarantine(row: QuarantinedRow): void {
    this.#quarantine.push(row);
  }

  async finish(): Promise<Staged> {
    try {
      await this.#send();
      await this.#sending;
      if (this.#quarantine.length > 0) await this.#keepQuarantine();
    } catch (error) {
      await this.discard();
      throw error;
    }
    const options = { statement: null, isOpen: this.#isOpen };
    return new ClickHouseStaged(this.#client, this.#target, this.#attempt, this.#stage, options);
  }

  async fail(): Promise<void> {
    try {
      await this.#keepQuarantine();
    } finally {
      await this.discard();
    }
  }

  async discard(): Promise<void> {
    await this.#sending.catch(() => undefined);
    await dropOwn(this.#client.unending(), this.#stage.name);
  }

  /** Waits for the insert before, and begins the next one. */
  async #send(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#length = 0;
    await this.#sending;
    if (lines.length === 0) return;
    this.#sending = this.#client.insert(this.#statement, lines.join("\n"));
    // Whoever waits for it next hears of its failure.
    this.#sending.catch(() => undefined);
  }

  async #keepQuarantine(): Promise<void> {
    await replaceQuarantine(this.#client.unending(), this.#target.assetKey, this.#attempt.runId, this.#quarantine);
  }
}
