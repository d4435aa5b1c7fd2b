import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { refusals } from "./exception.ts";

/** A body up to this size stays in memory; a larger one goes to a file as it arrives. */
const MEMORY_BYTES = 1024 * 1024;

const DECOMPRESSORS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** Decompresses a file of lz4 frames, which Node cannot, into another file. */
export type DecompressLz4 = (from: string, to: string) => Promise<void>;

/** The body of a request. */
export class Body implements AsyncDisposable {
  /** The first bytes, all of them when there is no file. */
  readonly head: Buffer;
  readonly #file: string | undefined;
  readonly #folder: string;
  readonly #made: string[];

  private constructor(head: Buffer, file: string | undefined, folder: string) {
    this.head = head;
    this.#file = file;
    this.#folder = folder;
    this.#made = file === undefined ? [] : [file];
  }

  /** Receives a body and decompresses it. */
  static async receive(request: IncomingMessage, folder: string, decompressLz4: DecompressLz4): Promise<Body> {
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding === "lz4") return await Body.#receiveLz4(request, folder, decompressLz4);
    const decompressor = DECOMPRESSORS[encoding]?.();
    if (decompressor === undefined && encoding !== "identity") throw refusals.unknownCompression(encoding);
    const source = decompressor === undefined ? request : request.pipe(decompressor);
    // `pipe` does not pass on the end of a client that went away.
    request.on("error", (error) => source.destroy(error));
    try {
      const parts = source.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
      const { bytes, isAll } = await takeUpTo(parts, MEMORY_BYTES);
      if (isAll) return new Body(bytes, undefined, folder);
      const file = newFile(folder);
      await writeOrRemove(file, joined(bytes, parts));
      return new Body(bytes, file, folder);
    } catch (error) {
      const isCorrupt = error instanceof Error && "code" in error && /^(Z_|ERR_ZSTD|ZSTD_)/.test(String(error.code));
      throw isCorrupt ? refusals.badBody(error.message) : error;
    }
  }

  static async #receiveLz4(request: IncomingMessage, folder: string, decompressLz4: DecompressLz4): Promise<Body> {
    const [packed, file] = [newFile(folder), newFile(folder)];
    try {
      await writeOrRemove(packed, request);
      await decompressLz4(packed, file);
      await using opened = await open(file);
      const { buffer, bytesRead } = await opened.read(Buffer.alloc(MEMORY_BYTES), 0, MEMORY_BYTES, 0);
      return new Body(buffer.subarray(0, bytesRead), file, folder);
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await rm(packed, { force: true });
    }
  }

  /** A body with nothing in it. */
  static empty(folder: string): Body {
    return new Body(Buffer.alloc(0), undefined, folder);
  }

  get isEmpty(): boolean {
    return this.head.length === 0;
  }

  /** All of it, as text. */
  async text(): Promise<string> {
    return this.#file === undefined ? this.head.toString() : await readFile(this.#file, "utf8");
  }

  /** The name of a file with the rows: `before`, then the body from a byte onwards. */
  async rows(before: string, from: number): Promise<string> {
    if (this.#file !== undefined && before === "" && from === 0) return this.#file;
    const file = newFile(this.#folder);
    this.#made.push(file);
    const first = Buffer.from(before);
    if (this.#file === undefined) await writeFile(file, Buffer.concat([first, this.head.subarray(from)]));
    else await writeOrRemove(file, joined(first, createReadStream(this.#file, { start: from })));
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#made) await rm(file, { force: true });
  }
}

async function writeOrRemove(file: string, source: Readable): Promise<void> {
  try {
    await pipeline(source, createWriteStream(file));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
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
