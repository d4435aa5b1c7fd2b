import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { refusals } from "./exception.ts";
import type { RowFile } from "./statement.ts";

/** A body up to this size stays in memory; a larger one goes to a file as it arrives. */
const MEMORY_BYTES = 1024 * 1024;

const DECOMPRESSORS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** The body of a request. */
export class Body implements AsyncDisposable {
  /** The first bytes, all of them when there is no file. */
  readonly head: Buffer;
  readonly #file: string | undefined;
  readonly #compression: RowFile["compression"];
  readonly #folder: string;
  readonly #made: string[];

  private constructor(head: Buffer, file: string | undefined, compression: RowFile["compression"], folder: string) {
    this.head = head;
    this.#file = file;
    this.#compression = compression;
    this.#folder = folder;
    this.#made = file === undefined ? [] : [file];
  }

  /** Receives a body, decompressing it; only lz4 stays as it is, for the engine to decompress. */
  static async receive(request: IncomingMessage, folder: string): Promise<Body> {
    const encoding = request.headers["content-encoding"] ?? "identity";
    const decompressor = DECOMPRESSORS[encoding]?.();
    if (decompressor === undefined && encoding !== "identity" && encoding !== "lz4") {
      throw refusals.unknownCompression(encoding);
    }
    const source = decompressor === undefined ? request : request.pipe(decompressor);
    // `pipe` does not pass on the end of a client that went away.
    request.on("error", (error) => source.destroy(error));
    try {
      const parts = source.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
      const head = await takeUpTo(parts, MEMORY_BYTES);
      const compression = encoding === "lz4" ? "lz4" : "none";
      if (head.isAll) return new Body(head.bytes, undefined, compression, folder);
      const file = newFile(folder);
      try {
        await pipeline(joined(head.bytes, parts), createWriteStream(file));
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
      return new Body(head.bytes, file, compression, folder);
    } catch (error) {
      const isCorrupt =
        error instanceof Error && "code" in error && /^(Z_|ERR_ZSTD|ERR__ERROR|ZSTD_)/.test(String(error.code));
      throw isCorrupt ? refusals.badBody(error.message) : error;
    }
  }

  /** A body with nothing in it. */
  static empty(folder: string): Body {
    return new Body(Buffer.alloc(0), undefined, "none", folder);
  }

  get isEmpty(): boolean {
    return this.head.length === 0;
  }

  /** All of it, as text. */
  async text(): Promise<string> {
    if (this.#compression !== "none") throw refusals.notImplemented("A query in an lz4 body");
    return this.#file === undefined ? this.head.toString() : await readFile(this.#file, "utf8");
  }

  /** A file with the rows: `before`, then the body from a byte onwards. */
  async rows(before: string, from: number): Promise<RowFile> {
    if (this.#file !== undefined && before === "" && from === 0) {
      return { path: this.#file, compression: this.#compression };
    }
    if (this.#compression !== "none" && (before !== "" || from > 0)) {
      throw refusals.notImplemented("An lz4 body that is not rows alone");
    }
    const file = newFile(this.#folder);
    this.#made.push(file);
    if (this.#file === undefined) await writeFile(file, Buffer.concat([Buffer.from(before), this.head.subarray(from)]));
    else await pipeline(joined(Buffer.from(before), createReadStream(this.#file, { start: from })), createWriteStream(file)); // prettier-ignore
    return { path: file, compression: this.#compression };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#made) await rm(file, { force: true });
  }
}

function newFile(folder: string): string {
  return path.join(folder, `body_${randomBytes(8).toString("hex")}`);
}

async function takeUpTo(
  parts: AsyncIterator<Buffer>,
  sizeBytes: number,
): Promise<{ readonly bytes: Buffer; readonly isAll: boolean }> {
  const taken: Buffer[] = [];
  let size = 0;
  while (size <= sizeBytes) {
    const next = await parts.next();
    if (next.done === true) return { bytes: Buffer.concat(taken), isAll: true };
    taken.push(next.value);
    size += next.value.length;
  }
  return { bytes: Buffer.concat(taken), isAll: false };
}

function joined(first: Buffer, rest: AsyncIterable<Buffer>): Readable {
  return Readable.from(
    (async function* () {
      if (first.length > 0) yield first;
      yield* rest;
    })(),
    { objectMode: false },
  );
}
