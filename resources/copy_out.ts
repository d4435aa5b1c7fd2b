import type { Connection } from "pg";

/** @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
const MESSAGE = {
  copyData: "d".charCodeAt(0),
  copyOutResponse: "H".charCodeAt(0),
  copyDone: "c".charCodeAt(0),
  error: "E".charCodeAt(0),
} as const;
/** One byte of type, four of length, which counts itself. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
/** So much waits in memory for the reader before the server is made to wait. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

type DataListener = (chunk: Buffer) => void;

/**
 * A `COPY … TO STDOUT`, as `pg` runs it: an object that handles the messages of its statement. The rows are cut out of
 * the bytes as they arrive, since the driver would make an object of each.
 */
export class CopyOut {
  readonly #text: string;
  readonly #done = Promise.withResolvers<undefined>();
  #socket: Connection["stream"] | undefined;
  #driver: readonly DataListener[] = [];
  /** The beginning of a header, or of a message for the driver. */
  #rest: Buffer | undefined;
  /** Bytes of the present row that have not arrived. */
  #missing = 0;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#done.promise.catch(() => undefined);
  }

  /** The rows, in chunks that end anywhere. To be read to its end; an early return ends the connection. */
  async *rows(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#bytes = 0;
        this.#socket?.resume();
        yield* chunks;
        if (this.#chunks.length > 0) continue;
        if (this.#ended) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.#done.promise;
    } finally {
      // What is still on its way has no taker.
      if (!this.#ended) this.#socket?.destroy();
    }
  }

  #read(arrived: Buffer): void {
    const data = this.#rest === undefined ? arrived : Buffer.concat([this.#rest, arrived]);
    this.#rest = undefined;
    const rows = Buffer.allocUnsafe(data.length);
    let length = 0;
    let at = 0;
    while (at < data.length) {
      if (this.#missing > 0) {
        const size = Math.min(this.#missing, data.length - at);
        data.copy(rows, length, at, at + size);
        length += size;
        at += size;
        this.#missing -= size;
        continue;
      }
      if (data.length - at < HEADER_BYTES) {
        this.#rest = data.subarray(at);
        break;
      }
      const type = data[at];
      const size = data.readUInt32BE(at + 1) - LENGTH_BYTES;
      if (type === MESSAGE.copyData) {
        this.#missing = size;
        at += HEADER_BYTES;
        continue;
      }
      if (type === MESSAGE.copyDone || type === MESSAGE.error) {
        // From here on it is a statement as any other.
        this.#giveBack();
        this.#tell(data.subarray(at));
        break;
      }
      if (data.length - at < HEADER_BYTES + size) {
        this.#rest = data.subarray(at);
        break;
      }
      if (type !== MESSAGE.copyOutResponse) this.#tell(data.subarray(at, at + HEADER_BYTES + size));
      at += HEADER_BYTES + size;
    }
    if (length === 0) return;
    this.#chunks.push(rows.subarray(0, length));
    this.#bytes += length;
    if (this.#bytes >= HIGH_WATER_BYTES && !this.#ended) this.#socket?.pause();
    this.#wake?.();
  }

  readonly #listener: DataListener = (chunk) => {
    this.#read(chunk);
  };

  #tell(bytes: Buffer): void {
    for (const listener of this.#driver) listener(bytes);
  }

  #giveBack(): void {
    this.#socket?.off("data", this.#listener);
    for (const listener of this.#driver) this.#socket?.on("data", listener);
    this.#socket?.resume();
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  // What follows is called by pg: https://github.com/brianc/node-postgres, packages/pg/lib/client.js.

  submit(connection: Connection): void {
    this.#socket = connection.stream;
    this.#driver = this.#socket.listeners("data") as DataListener[];
    for (const listener of this.#driver) this.#socket.off("data", listener);
    this.#socket.on("data", this.#listener);
    // The simple protocol; pg's types leave this method out.
    (connection as unknown as { query(text: string): void }).query(this.#text);
  }

  handleError(error: Error): void {
    this.#done.reject(error);
    this.#end();
  }

  handleReadyForQuery(): void {
    this.#done.resolve(undefined);
    this.#end();
  }

  handleCommandComplete(): void {
    // Its number of rows is of no interest.
  }

  handleRowDescription(): void {
    // COPY returns no rows of a result.
  }

  handleDataRow(): void {
    // COPY returns no rows of a result.
  }

  handleCopyData(): void {
    // Read before the driver sees it.
  }

  handleEmptyQuery(): void {
    // The text is never empty.
  }

  handlePortalSuspended(): void {
    // There is no portal.
  }
}
