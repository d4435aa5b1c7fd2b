import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from "node:zlib";
import { toErrorAnswer } from "./exception.ts";

/** Held back until the answer is complete or longer than this: an error can then still have its own status. */
const HELD_BYTES = 4 * 1024 * 1024;

/** The cheapest first; levels as those of a ClickHouse server, the defaults of Node are much slower. */
const COMPRESSORS = {
  zstd: () => createZstdCompress(),
  gzip: () => createGzip({ level: 3 }),
  deflate: () => createDeflate({ level: 3 }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
};

const CONTENT_TYPES: readonly (readonly [type: string, format: RegExp])[] = [
  ["application/x-ndjson; charset=UTF-8", /^(JSON\w*EachRow\w*|NDJSON|JSONLines)$/],
  ["application/json; charset=UTF-8", /^JSON/],
  ["text/csv; charset=UTF-8; header=absent", /^CSV$/],
  ["text/csv; charset=UTF-8; header=present", /^CSV/],
  ["text/tab-separated-values; charset=UTF-8", /^(TabSeparated|TSV)/],
  ["application/octet-stream", /^(Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack|BSON|Npy|Protobuf)/],
];

/** What the client is told of the rows. */
export interface Counts {
  readonly resultRows: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
}

/** The answer to one query. */
export class Answer {
  readonly #response: ServerResponse;
  readonly #version: string;
  readonly #startMs = performance.now();
  #compression: keyof typeof COMPRESSORS | undefined;

  constructor(response: ServerResponse, version: string) {
    this.#response = response;
    this.#version = version;
  }

  set queryId(id: string) {
    this.#response.setHeader("X-ClickHouse-Query-Id", id);
  }

  /** Compresses with the first of ours that the client accepts. */
  compressFor(accepted: string): void {
    const names = accepted.split(",").map((part) => part.split(";")[0]?.trim());
    this.#compression = (Object.keys(COMPRESSORS) as (keyof typeof COMPRESSORS)[]).find((name) => names.includes(name));
  }

  /** Sends all at once. */
  async send(format: string, bytes: Uint8Array, counts: Counts): Promise<void> {
    this.#describe(format, counts);
    if (this.#compression === undefined) this.#response.setHeader("Content-Length", bytes.length);
    await this.#finish(this.#open(), bytes);
  }

  /** Sends while the engine works. */
  async sendParts(format: string, parts: AsyncIterable<{ bytes: Uint8Array; rows: number }>): Promise<void> {
    const held: Uint8Array[] = [];
    const counts = { resultRows: 0, writtenRows: 0, writtenBytes: 0 };
    let heldBytes = 0;
    let out: Writable | undefined;
    const tag = randomBytes(8).toString("hex");
    try {
      for await (const { bytes, rows } of parts) {
        if (this.#response.destroyed) return;
        if (out !== undefined) {
          if (!out.write(bytes)) await Promise.race([once(out, "drain"), once(this.#response, "close")]);
          continue;
        }
        held.push(bytes);
        heldBytes += bytes.length;
        counts.resultRows += rows;
        if (heldBytes > HELD_BYTES) {
          this.#describe(format, counts);
          this.#response.setHeader("X-ClickHouse-Exception-Tag", tag);
          out = this.#open();
          out.write(Buffer.concat(held));
        }
      }
    } catch (error) {
      if (out === undefined) throw error;
      // Too late for a status: ClickHouse writes the error behind the rows, and ends the connection uncleanly.
      const { text } = toErrorAnswer(error, this.#version);
      const size = Buffer.byteLength(text);
      await this.#finish(out, `\r\n__exception__\r\n${tag}\r\n${text}${size} ${tag}\r\n__exception__\r\n`);
      return;
    }
    if (out === undefined) await this.send(format, Buffer.concat(held), counts);
    else await this.#finish(out, "");
  }

  /** Sends an error; ends the connection when an answer is on its way already. */
  sendError(error: unknown): void {
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    const { status, code, text } = toErrorAnswer(error, this.#version);
    this.#response.writeHead(status, {
      "Content-Type": "text/plain; charset=UTF-8",
      "X-ClickHouse-Exception-Code": code,
    });
    this.#response.end(text);
  }

  #describe(format: string, counts: Counts): void {
    const type = CONTENT_TYPES.find(([, pattern]) => pattern.test(format))?.[0] ?? "text/plain; charset=UTF-8";
    this.#response.setHeader("Content-Type", type);
    this.#response.setHeader("X-ClickHouse-Format", format);
    this.#response.setHeader("X-ClickHouse-Timezone", "UTC");
    const summary = {
      // The engine does not say what it read.
      read_rows: "0",
      read_bytes: "0",
      written_rows: String(counts.writtenRows),
      written_bytes: String(counts.writtenBytes),
      total_rows_to_read: "0",
      result_rows: String(counts.writtenRows > 0 ? counts.writtenRows : counts.resultRows),
      result_bytes: String(counts.writtenBytes),
      elapsed_ns: String(Math.round((performance.now() - this.#startMs) * 1e6)),
    };
    this.#response.setHeader("X-ClickHouse-Summary", JSON.stringify(summary));
  }

  async #finish(out: Writable, last: Uint8Array | string): Promise<void> {
    if (this.#response.closed) return; // the client did not wait
    const closed = once(this.#response, "close");
    out.end(last);
    await closed;
  }

  #open(): Writable {
    if (this.#compression === undefined) return this.#response;
    this.#response.setHeader("Content-Encoding", this.#compression);
    const compressor = COMPRESSORS[this.#compression]();
    compressor.pipe(this.#response);
    return compressor;
  }
}
