import type { Connection } from "pg";
import { statementError } from "./errors.ts";

/** So much may wait in memory to be sent before the writer is asked to wait. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/** What `pg` has and its types leave out. */
interface CopyConnection extends Connection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
}

/** A `COPY … FROM STDIN` under way, as `pg` runs it: an object that handles the messages of its statement. */
export class CopyIn {
  readonly #text: string;
  readonly #started = Promise.withResolvers<undefined>();
  readonly #ended = Promise.withResolvers<undefined>();
  #connection: CopyConnection | undefined;
  #error: Error | undefined;
  #open = false;

  constructor(text: string) {
    this.#text = text;
    // Whoever waits hears of it; nobody else needs to.
    this.#started.promise.catch(() => undefined);
    this.#ended.promise.catch(() => undefined);
  }

  /** Resolves when the server takes rows. */
  get started(): Promise<undefined> {
    return this.#started.promise;
  }

  /** Sends rows; resolves when the server has taken enough of them for more. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#error !== undefined) throw statementError(this.#error, this.#text);
    const connection = this.#connection;
    if (connection === undefined || !this.#open)
      throw new TypeError("COPY takes no rows: it has not begun, or has ended");
    connection.sendCopyFromChunk(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
    const { stream } = connection;
    if (stream.writableLength < HIGH_WATER_BYTES) return;
    await Promise.race([
      new Promise((resolve) => stream.once("drain", resolve)),
      // A server that refuses a row drains nothing any more.
      this.#ended.promise.catch((error: unknown) => {
        throw statementError(error, this.#text);
      }),
    ]);
  }

  /** Says that there are no more rows; resolves when the server has taken them all. */
  async end(): Promise<void> {
    if (this.#open) this.#connection?.endCopyFrom();
    this.#open = false;
    await this.#settled();
  }

  /**
   * Gives up, for a table that is dropped then: it may have rows. `hyperd` takes ten seconds over a CopyFail after some
   * 100 kB of them, and ends the session.
   */
  async fail(): Promise<void> {
    await this.end().catch(() => undefined);
  }

  async #settled(): Promise<void> {
    try {
      await this.#ended.promise;
    } catch (error) {
      throw statementError(error, this.#text);
    }
  }

  // What follows is called by pg: https://github.com/brianc/node-postgres, packages/pg/lib/client.js.

  submit(connection: Connection): void {
    this.#connection = connection as CopyConnection;
    this.#connection.query(this.#text);
  }

  handleCopyInResponse(): void {
    this.#open = true;
    this.#started.resolve(undefined);
  }

  handleError(error: Error): void {
    this.#error ??= error;
    this.#open = false;
    this.#started.reject(this.#error);
    // A connection that is gone sends no ReadyForQuery.
    this.#ended.reject(this.#error);
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#ended.resolve(undefined);
  }

  handleCommandComplete(): void {
    // Its number of rows is of no interest.
  }

  handleRowDescription(): void {
    // COPY returns no rows.
  }

  handleDataRow(): void {
    // COPY returns no rows.
  }

  handleEmptyQuery(): void {
    // The text is never empty.
  }

  handlePortalSuspended(): void {
    // There is no portal.
  }
}
