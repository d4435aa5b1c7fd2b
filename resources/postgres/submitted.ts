import { once } from "node:events";
import type { Writable } from "node:stream";
import type pg from "pg";

/** A column that a query yields, as the server describes it. */
export interface DescribedColumn {
  readonly name: string;
  readonly dataTypeID: number;
  readonly dataTypeModifier: number;
}

/** What the driver's connection has beside what its types say. */
interface WireConnection extends Omit<pg.Connection, "parse" | "describe"> {
  parse(statement: { readonly text: string; readonly name: string }): void;
  describe(message: { readonly type: "S" | "P"; readonly name: string }): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  sendCopyFail(message: string): void;
  endCopyFrom(): void;
}

/** A conversation with the server that the driver has no method for: it hands over each message in turn. */
abstract class Submitted<T> {
  readonly done: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  abstract submit(connection: pg.Connection): void;
  protected abstract get result(): T;

  handleReadyForQuery(): void {
    this.#resolve(this.result);
  }

  handleError(error: unknown): void {
    this.#reject(error);
  }

  handleRowDescription(_message: unknown): void {}
  handleDataRow(): void {}
  handleCommandComplete(_message: unknown): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(_connection: unknown): void {}
  handleCopyData(): void {}
}

/**
 * Asks which columns a query yields, and runs nothing.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export class Describe extends Submitted<readonly DescribedColumn[]> {
  readonly #text: string;
  protected result: readonly DescribedColumn[] = [];

  constructor(text: string) {
    super();
    this.#text = text;
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as WireConnection;
    wire.parse({ text: this.#text, name: "" });
    wire.describe({ type: "S", name: "" });
    wire.sync();
  }

  override handleRowDescription(message: { readonly fields: readonly DescribedColumn[] }): void {
    this.result = message.fields;
  }
}

/** Sends bytes to COPY … FROM STDIN, as fast as the server takes them; ends with the number of rows. */
export class CopyIn extends Submitted<number> {
  readonly #text: string;
  readonly #source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  protected result = 0;
  #pumping: Promise<void> = Promise.resolve();
  #ended = false;
  #fault: { readonly error: unknown } | undefined;

  /** What the source threw. */
  get fault(): { readonly error: unknown } | undefined {
    return this.#fault;
  }

  constructor(text: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    super();
    this.#text = text;
    this.#source = source;
  }

  submit(connection: pg.Connection): void {
    // The simple protocol: after an error the server reads what is still sent, and is ready again.
    connection.query(this.#text);
  }

  override handleCopyInResponse(connection: WireConnection): void {
    this.#pumping = this.#pump(connection);
  }

  override handleCommandComplete(message: { readonly text: string }): void {
    this.result = Number(message.text.slice("COPY ".length));
  }

  override handleError(error: unknown): void {
    this.#ended = true;
    // The source may have files to remove.
    void this.#pumping.then(() => {
      super.handleError(error);
    });
  }

  override handleReadyForQuery(): void {
    this.#ended = true;
    super.handleReadyForQuery();
  }

  async #pump(connection: WireConnection): Promise<void> {
    const { stream } = connection;
    try {
      for await (const chunk of this.#source) {
        if (this.#ended) return;
        connection.sendCopyFromChunk(chunk);
        if (stream.writableNeedDrain) await drained(stream);
      }
    } catch (error) {
      this.#fault = { error };
    }
    if (this.#ended || !stream.writable) return;
    if (this.#fault === undefined) connection.endCopyFrom();
    else connection.sendCopyFail("the source of the rows failed");
  }
}

/** Waits until the stream takes more, or nothing any more. */
async function drained(stream: Writable): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]);
  } finally {
    over.abort();
  }
}
