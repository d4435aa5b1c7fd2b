import { setImmediate as turn } from "node:timers/promises";
import type { Attempt, Target } from "../store.ts";
import type { Connections, Work } from "./connections.ts";
import { newStagingTable, ownedBy } from "./staging.ts";

/** Bytes that are sent in one COPY, and so many more that may be collected meanwhile. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Characters that are joined before they are written as bytes. */
const CHUNK_LENGTH = 128 * 1024;

/**
 * A staging table that is filled line by line: collected, and sent in COPYs of a few megabytes, each in a transaction
 * of its own. However slow the source is, nothing is held open on the server, and no time limit of a statement applies.
 */
export class CopyTable {
  readonly name: string;
  readonly #connections: Connections;
  readonly #work: Work;
  #text = "";
  #chunks: Buffer[] = [];
  #bytes = 0;
  #rows = 0;
  #sending: Promise<void> = Promise.resolve();
  #fault: { readonly error: unknown } | undefined;

  private constructor(name: string, connections: Connections, work: Work) {
    this.name = name;
    this.#connections = connections;
    this.#work = work;
  }

  /** @param isLasting Whether the table may become the asset's; otherwise it is not written to the server's log. */
  static async create(
    connections: Connections,
    { assetKey }: Target,
    { runId, signal }: Attempt,
    options: { readonly columns: string; readonly isLasting: boolean },
  ): Promise<CopyTable> {
    const name = newStagingTable(assetKey, runId);
    const work = { assetKey, runId, signal };
    await connections.transaction(work, (client) =>
      client.script([
        `CREATE ${options.isLasting ? "" : "UNLOGGED "}TABLE ${name} (${options.columns})`,
        ownedBy(name, runId),
      ]),
    );
    return new CopyTable(name, connections, work);
  }

  /** Adds lines in the text format of COPY. Wait for it: the server may be behind. */
  async add(lines: string): Promise<void> {
    const chunks = this.#chunks.length;
    this.collect(lines);
    if (this.#bytes + this.#text.length >= BATCH_BYTES) await this.#send();
    // A body that never waits would keep what is being sent from going on: the server would stand idle meanwhile.
    if (this.#chunks.length !== chunks) await turn();
  }

  /** Adds lines, and sends none. */
  collect(lines: string): void {
    this.#text += lines;
    if (this.#text.length >= CHUNK_LENGTH) this.#toBytes();
  }

  /** Waits until all is there, whatever happens to the server; returns the number of rows. */
  async flush(): Promise<bigint> {
    await this.#send();
    await this.#sent();
    // A commit that waits for the disk waits for all before it too.
    await this.#connections.transaction(this.#work, (client) => client.run("SELECT pg_catalog.pg_current_xact_id()"));
    return BigInt(this.#rows);
  }

  #toBytes(): void {
    const chunk = Buffer.from(this.#text, "utf8");
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#text = "";
  }

  /** Waits for the batch before and starts to send this one: rows are collected while the server takes them. */
  async #send(): Promise<void> {
    if (this.#text !== "") this.#toBytes();
    await this.#sent();
    if (this.#chunks.length === 0) return;
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#bytes = 0;
    this.#sending = this.#connections
      .transaction({ ...this.#work, isDurable: false }, (client) =>
        client.copyIn(`COPY ${this.name} FROM STDIN`, chunks),
      )
      .then((rows) => {
        this.#rows += rows;
      })
      .catch((error: unknown) => {
        this.#fault = { error };
      });
  }

  async #sent(): Promise<void> {
    await this.#sending;
    if (this.#fault !== undefined) throw this.#fault.error;
  }
}
