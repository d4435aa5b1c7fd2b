import { openSync, closeSync, readSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { CorruptWorkbookError, EncryptedWorkbookError, UnreadableSourceError } from "../errors.ts";

/** What a part of a workbook may hold: a sheet of a million rows has less. */
const MAX_PART_BYTES = 4 * 1024 ** 3;
const ZIP = Buffer.from("PK");
/** Compound files hold workbooks of before 2007, and newer ones that are encrypted. @see [MS-CFB] 2.2 */
const COMPOUND = Buffer.from("d0cf11e0a1b11ae1", "hex");
const ENCRYPTED = Buffer.from("EncryptedPackage", "utf16le");

/** The parts of an open workbook: a zip file of XML. */
export class Package {
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #path: string;

  private constructor(path: string, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.#path = path;
    this.#zip = zip;
    this.#entries = entries;
  }

  /** @throws EncryptedWorkbookError, CorruptWorkbookError, UnreadableSourceError */
  static async open(path: string): Promise<Package> {
    requireZip(path);
    const zip = await new Promise<ZipFile>((resolve, reject) => {
      yauzl.open(path, { lazyEntries: true, autoClose: false }, (error, opened) => {
        if (error === null) resolve(opened);
        else reject(corrupt(path, error));
      });
    });
    const entries = new Map<string, Entry>();
    try {
      await new Promise<void>((resolve, reject) => {
        zip.on("entry", (entry: Entry) => {
          entries.set(entry.fileName.toLowerCase(), entry);
          zip.readEntry();
        });
        zip.on("end", resolve);
        zip.on("error", reject);
        zip.readEntry();
      });
    } catch (error) {
      zip.close();
      throw corrupt(path, error);
    }
    return new Package(path, zip, entries);
  }

  has(part: string): boolean {
    return this.#entries.has(part.toLowerCase());
  }

  /** The text of a part, in pieces that end anywhere. @throws CorruptWorkbookError */
  async *read(part: string): AsyncGenerator<string> {
    const entry = this.#entries.get(part.toLowerCase());
    if (entry === undefined) throw corrupt(this.#path, new Error(`it has no part ${part}`));
    if (entry.uncompressedSize > MAX_PART_BYTES) throw corrupt(this.#path, new Error(`${part} is too large`));
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let sum = 0;
    try {
      for await (const chunk of await this.#open(entry)) {
        const bytes = chunk as Buffer;
        sum = crc32(bytes, sum);
        yield decoder.decode(bytes, { stream: true });
      }
      const rest = decoder.decode();
      if (rest !== "") yield rest;
    } catch (error) {
      throw corrupt(this.#path, error);
    }
    if (sum !== entry.crc32) throw corrupt(this.#path, new Error(`the checksum of ${part} is wrong`));
  }

  /** A part as a whole. */
  async text(part: string): Promise<string> {
    let text = "";
    for await (const chunk of this.read(part)) text += chunk;
    return text;
  }

  close(): void {
    this.#zip.close();
  }

  async #open(entry: Entry): Promise<Readable> {
    return await new Promise((resolve, reject) => {
      this.#zip.openReadStream(entry, (error, stream) => {
        if (error === null) resolve(stream);
        else reject(error);
      });
    });
  }
}

function requireZip(path: string): void {
  const head = Buffer.alloc(8);
  let length: number;
  try {
    const file = openSync(path, "r");
    try {
      length = readSync(file, head, 0, head.length, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new UnreadableSourceError(
      `the workbook ${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  if (head.subarray(0, 2).equals(ZIP)) return;
  if (!head.equals(COMPOUND))
    throw new CorruptWorkbookError(
      `${path} is no workbook (.xlsx)${length === 0 ? ": the file is empty" : ", or a damaged one"}`,
    );
  if (readFileSync(path).includes(ENCRYPTED))
    throw new EncryptedWorkbookError(`the workbook ${path} is encrypted: save it without a password`);
  throw new UnreadableSourceError(`${path} is of Excel 97-2003: save it as .xlsx`);
}

/** What a part that cannot be read says of its workbook. */
export function corrupt(path: string, error: unknown): Error {
  if (error instanceof UnreadableSourceError) return error;
  return new CorruptWorkbookError(
    `the workbook ${path} is damaged: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  );
}
