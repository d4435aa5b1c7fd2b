import { type FileHandle, open } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import type { ValidRow } from "./validate_rows.ts";

/** Bytes before each page, which hold its length. */
const LENGTH_BYTES = 4;

/** Pages of rows in a file: written once, then read once, values as they were. */
export class Spool {
  readonly #path: string;
  #file: FileHandle | undefined;

  /** @param path Of a new file. */
  constructor(path: string) {
    this.#path = path;
  }

  async add(page: readonly ValidRow[]): Promise<void> {
    this.#file ??= await open(this.#path, "wx+");
    const bytes = serialize(page);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(bytes.length);
    await this.#file.appendFile(Buffer.concat([length, bytes]));
  }

  /** The pages in their order. */
  async *pages(): AsyncGenerator<ValidRow[]> {
    const file = this.#file;
    if (file === undefined) return;
    const { size } = await file.stat();
    let position = 0;
    while (position < size) {
      const length = (await read(file, position, LENGTH_BYTES)).readUInt32LE();
      yield deserialize(await read(file, position + LENGTH_BYTES, length)) as ValidRow[];
      position += LENGTH_BYTES + length;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new RangeError("a file of staged rows ends too early");
    done += bytesRead;
  }
  return buffer;
}
