import { setImmediate as turn } from "node:timers/promises";
import type { QuarantinedRow, RowWriter, Staged } from "../store.ts";
import { columnNames } from "./contract.ts";
import type { CopyIn } from "./copy_in.ts";
import type { HyperStaged } from "./publish.ts";
import { toCopyText } from "./types.ts";

/** Rows in one message of the protocol. */
const CHUNK_ROWS = 2048;

/** Sends validated rows to the server as they come, in the text format of COPY. */
export class CopyWriter implements RowWriter {
  readonly #staged: HyperStaged;
  readonly #copy: CopyIn;
  readonly #quarantined: QuarantinedRow[] = [];
  readonly #columns: readonly { readonly name: string; readonly write: (value: never) => string }[];

  private constructor(staged: HyperStaged, copy: CopyIn) {
    this.#staged = staged;
    this.#copy = copy;
    this.#columns = staged.target.columns.map((column) => ({ name: column.name, write: toCopyText(column) }));
  }

  static async create(staged: HyperStaged): Promise<CopyWriter> {
    try {
      const names = columnNames(staged.target);
      const copy = await staged.client.copyIn(`COPY ${staged.stage} (${names}) FROM STDIN WITH (FORMAT text)`);
      return new CopyWriter(staged, copy);
    } catch (error) {
      await staged.release();
      throw error;
    }
  }

  async append(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      let chunk = "";
      for (const row of rows.slice(start, start + CHUNK_ROWS)) {
        let separator = "";
        for (const { name, write } of this.#columns) {
          const value = row[name];
          chunk += separator + (value === null || value === undefined ? "\\N" : write(value as never));
          separator = "\t";
        }
        chunk += "\n";
      }
      await this.#copy.write(chunk);
      // A body that never waits would keep it from being sent: the server would stand idle meanwhile.
      await turn();
    }
  }

  /** They wait in memory: a session takes no other rows while a COPY is under way. */
  quarantine(row: QuarantinedRow): void {
    this.#quarantined.push(row);
  }

  async finish(): Promise<Staged> {
    try {
      await this.#staged.client.endCopy(this.#copy);
    } catch (error) {
      await this.#staged.release();
      throw error;
    }
    this.#staged.quarantined = this.#quarantined;
    return this.#staged;
  }

  async fail(): Promise<void> {
    await this.#copy.fail();
    this.#staged.quarantined = this.#quarantined;
    await this.#staged.discard();
  }

  async discard(): Promise<void> {
    await this.#copy.fail();
    await this.#staged.release();
  }
}
