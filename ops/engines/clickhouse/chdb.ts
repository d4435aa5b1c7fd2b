import { createRequire } from "node:module";
import path from "node:path";

/** What the engine says of a finished statement. */
export interface Outcome {
  readonly bytes: Uint8Array;
  /** Rows of the answer. */
  readonly rows: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
}

type Handle = object;
type Stream = object;

/** The addon of chdb 3.4.0, which its own `Session` is built on. Its promises settle when the engine is done, never earlier. */
interface Addon {
  CreateConnection(folder: string, args: readonly string[]): Handle;
  CloseConnection(connection: Handle): void;
  EngineVersion(): string;
  QueryAsyncConnection(
    connection: Handle,
    sql: string,
    format: string,
  ): Promise<{ bytes: Uint8Array; rowsRead: number }>;
  InsertRawAsyncConnection(
    connection: Handle,
    sql: string,
    rows: Buffer,
    countLines: boolean,
  ): Promise<{ rowsWritten: number; bytesWritten: number }>;
  StreamQuery(connection: Handle, sql: string, format: string): Stream;
  StreamFetch(stream: Stream): Promise<{ done: true } | { done: false; bytes: Uint8Array; numRows: number }>;
  StreamCancel(stream: Stream): void;
}

/** The ClickHouse engine in this process, on one data folder. */
export class Chdb {
  readonly version: string;
  readonly #addon: Addon;
  readonly #folder: string;
  /** Keeps the engine open between requests. */
  readonly #base: Handle;

  /**
   * @param home where the npm packages of the engine are
   * @param configFile of ClickHouse
   */
  constructor(home: string, folder: string, configFile?: string) {
    const require = createRequire(path.join(home, "package.json"));
    const loader = require(path.join(home, "node_modules/chdb/dist/loader.js")) as { loadNative(): Addon };
    this.#addon = loader.loadNative();
    this.#folder = folder;
    this.#base = this.#addon.CreateConnection(folder, configFile === undefined ? [] : [`--config-file=${configFile}`]);
    this.version = this.#addon.EngineVersion().replaceAll('"', "");
  }

  /** Opens a connection: settings, parameters, temporary tables and the current database are its own. */
  connect(): ChdbConnection {
    return new ChdbConnection(this.#addon, this.#addon.CreateConnection(this.#folder, []));
  }

  /** Nothing may be running. */
  close(): void {
    this.#addon.CloseConnection(this.#base);
  }
}

/** One connection; it runs one statement after the other. To be closed when none is running. */
export class ChdbConnection implements Disposable {
  readonly #addon: Addon;
  readonly #handle: Handle;

  constructor(addon: Addon, handle: Handle) {
    this.#addon = addon;
    this.#handle = handle;
  }

  [Symbol.dispose](): void {
    this.#addon.CloseConnection(this.#handle);
  }

  /** Runs a statement; the answer is held in memory. */
  async query(sql: string, format: string): Promise<Outcome> {
    const { bytes, rowsRead } = await this.#addon.QueryAsyncConnection(this.#handle, sql, format);
    return { bytes, rows: rowsRead, writtenRows: 0, writtenBytes: 0 };
  }

  /** Runs an insert. */
  async insert(sql: string): Promise<Outcome> {
    // The same call appends rows that it is given to the statement; it alone says how many were written.
    const done = await this.#addon.InsertRawAsyncConnection(this.#handle, sql, Buffer.alloc(0), false);
    return { bytes: new Uint8Array(), rows: 0, writtenRows: done.rowsWritten, writtenBytes: done.bytesWritten };
  }

  /** Runs a query; each part of the answer is complete in itself, with header and footer if the format has them. */
  async *stream(sql: string, format: string): AsyncGenerator<{ bytes: Uint8Array; rows: number }, void, undefined> {
    const stream = this.#addon.StreamQuery(this.#handle, sql, format);
    let isDone = false;
    try {
      for (;;) {
        const part = await this.#addon.StreamFetch(stream);
        if (part.done) {
          isDone = true;
          return;
        }
        yield { bytes: part.bytes, rows: part.numRows };
      }
    } catch (error) {
      isDone = true; // the engine has let go of it
      throw error;
    } finally {
      if (!isDone) this.#addon.StreamCancel(stream);
    }
  }
}
