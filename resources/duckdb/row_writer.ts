import { type DuckDBAppender, DuckDBDataChunk, type DuckDBValue } from "@duckdb/node-api";
import type { QuarantinedRow, RowWriter, Staged } from "../store.ts";
import { statementError } from "./errors.ts";
import { forgetBlocks } from "./memory.ts";
import type { SideFile } from "./side_file.ts";
import { SideFileStaged } from "./side_file_staged.ts";
import { appenderType, toDuckDB } from "./types.ts";

/** DuckDB's vector size: a chunk cannot hold more rows. */
const CHUNK_ROWS = 2048;
/** So many chunks are written until the memory of their blocks is given back: nobody reads them before the end. */
const FORGET_EVERY_CHUNKS = 500;

/** Writes validated rows into a side file, in chunks, column by column. */
export class SideFileWriter implements RowWriter {
  readonly #file: SideFile;
  readonly #rows: DuckDBAppender;
  readonly #quarantine: DuckDBAppender;
  readonly #chunk: DuckDBDataChunk;
  #chunks = 0;
  readonly #columns: readonly { readonly name: string; readonly convert: (value: never) => DuckDBValue }[];

  private constructor(file: SideFile, rows: DuckDBAppender, quarantine: DuckDBAppender) {
    this.#file = file;
    this.#rows = rows;
    this.#quarantine = quarantine;
    const { columns } = file.target;
    this.#chunk = DuckDBDataChunk.create(columns.map(({ type }) => appenderType(type)));
    this.#columns = columns.map((column) => ({ name: column.name, convert: toDuckDB(column) }));
  }

  static async create(file: SideFile): Promise<SideFileWriter> {
    const { connection } = file.client;
    return new SideFileWriter(
      file,
      await connection.createAppender("rows"),
      await connection.createAppender("quarantine"),
    );
  }

  async append(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows.length - start);
      this.#chunk.reset();
      this.#chunk.rowCount = count;
      const part = rows.length === count ? rows : rows.slice(start, start + count);
      for (const [index, { name, convert }] of this.#columns.entries()) {
        // Straight from the rows into the column: no list of values in between.
        this.#chunk.setColumnValuesConverted(index, part, (row) => {
          const value = row[name];
          return value === null || value === undefined ? null : convert(value as never);
        });
      }
      write(() => {
        this.#rows.appendDataChunk(this.#chunk);
      });
      this.#chunks += 1;
      if (this.#chunks % FORGET_EVERY_CHUNKS === 0) await forgetBlocks(this.#file.client);
    }
  }

  quarantine({ rowNumber, reason, value, exact = null, origin = null }: QuarantinedRow): void {
    this.#quarantine.appendBigInt(BigInt(rowNumber));
    this.#quarantine.appendVarchar(reason);
    this.#quarantine.appendVarchar(value);
    for (const text of [exact, origin]) {
      if (text === null) this.#quarantine.appendNull();
      else this.#quarantine.appendVarchar(text);
    }
    this.#quarantine.endRow();
  }

  finish(): Promise<Staged> {
    write(() => {
      this.#close();
    });
    return Promise.resolve(new SideFileStaged(this.#file, null));
  }

  async fail(): Promise<void> {
    try {
      this.#close();
      await this.#file.keepQuarantine();
    } finally {
      await this.#file.remove();
    }
  }

  async discard(): Promise<void> {
    await this.#file.remove();
  }

  #close(): void {
    this.#rows.closeSync();
    this.#quarantine.closeSync();
  }
}

/** The appender's errors are those of the statement that it stands for. */
function write(act: () => void): void {
  try {
    act();
  } catch (error) {
    throw statementError("INSERT INTO rows", error);
  }
}
