import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { ContractError } from "../errors.ts";
import type { Attempt, QuarantinedRow, RowWriter, Staged, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { replaceQuarantine } from "./quarantine.ts";
import { ClickHouseStaged } from "./publish.ts";
import type { IsOpen } from "./lock.ts";
import { ownTable } from "./quote.ts";
import type { Stage } from "./staging.ts";
import { dropOwn } from "./tables.ts";
import { TEXT_NULL, toText } from "./types.ts";

/** Bytes of one insert: each makes a part on the disk, and two are held in memory at a time. */
const INSERT_BYTES = 8 * 1024 * 1024;
/** Characters that are joined before they are written as bytes. */
const CHUNK_LENGTH = 128 * 1024;

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
    readonly nullable: boolean;
    readonly convert: (value: never) => string;
  }[];
  readonly #statement: string;
  readonly #quarantine: QuarantinedRow[] = [];
  #text = "";
  #chunks: Buffer[] = [];
  #bytes = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(client: Client, target: Target, attempt: Attempt, stage: Stage, isOpen: IsOpen) {
    this.#client = client;
    this.#target = target;
    this.#attempt = attempt;
    this.#stage = stage;
    this.#isOpen = isOpen;
    this.#columns = target.columns.map((column) => ({ ...column, convert: toText(column) }));
    // A row of texts that are the columns' own names is a row.
    const settings = "SETTINGS input_format_tsv_detect_header = 0";
    this.#statement = `INSERT INTO ${ownTable(stage.name)} (${columnNames(target)}) ${settings} FORMAT TabSeparated`;
  }

  async append(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const columns = this.#columns;
    for (const row of rows) {
      let line = "";
      let separator = "";
      for (const { name, nullable, convert } of columns) {
        const value = row[name];
        line += separator;
        separator = "\t";
        if (value !== null && value !== undefined) line += convert(value as never);
        else if (nullable) line += TEXT_NULL;
        else throw new ContractError(`column ${JSON.stringify(name)}: NULL, which the contract does not allow`);
      }
      this.#text += line + "\n";
      if (this.#text.length < CHUNK_LENGTH) continue;
      this.#toBytes();
      if (this.#bytes >= INSERT_BYTES) await this.#send();
      // A body that never waits would keep what is being sent from going on: the server would stand idle meanwhile.
      await turn();
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
    this.#toBytes();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#bytes = 0;
    await this.#sending;
    if (chunks.length === 0) return;
    this.#sending = this.#client.insertStream(this.#statement, Readable.from(chunks, { objectMode: false }));
    // Whoever waits for it next hears of its failure.
    this.#sending.catch(() => undefined);
  }

  #toBytes(): void {
    if (this.#text === "") return;
    const chunk = Buffer.from(this.#text);
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#text = "";
  }

  async #keepQuarantine(): Promise<void> {
    await replaceQuarantine(this.#client.unending(), this.#target, this.#attempt, this.#quarantine);
  }
}
