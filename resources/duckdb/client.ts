import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Statement } from "../render_sql.ts";
import { tryUntilDone, type Waiting } from "../waiting.ts";
import { isFatal, openError, statementError, tryGetLockHolder, WarehouseLockedError } from "./errors.ts";
import { toParameter } from "./types.ts";

/** An open DuckDB file and one connection to it. */
export class Client {
  readonly #instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  #isBroken = false;

  /** For an instance that others use too; {@link Client.open} is for a file. */
  constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.connection = connection;
  }

  /**
   * Opens a file, and makes it and its folder where they are missing. Fails at once when another process has it open, with
   * an error of DuckDB's.
   *
   * @param settings Of the engine.
   */
  static async open(path: string, settings: Readonly<Record<string, string>> = {}): Promise<Client> {
    const instance = await openFile(path, settings).catch((error: unknown) => {
      throw openError(path, error);
    });
    try {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      return new Client(instance, connection);
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /** Whether the engine does nothing more until the file is opened again: after a commit that it could not write. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Runs a statement.
   *
   * @throws StatementError
   */
  async run(statement: Statement | string): Promise<void> {
    await this.#guard(statement, (text, values, types) => this.connection.run(text, values, types));
  }

  /**
   * Runs a query and returns all of its rows; values as text, NULL as `null`.
   *
   * @throws StatementError
   */
  async text(statement: Statement | string): Promise<{ columns: string[]; rows: (string | null)[][] }> {
    const reader = await this.#guard(statement, (text, values, types) =>
      this.connection.runAndReadAll(text, values, types),
    );
    const rows = reader.getRows().map((row) => row.map((value) => (value === null ? null : String(value))));
    return { columns: reader.columnNames(), rows };
  }

  /** Runs `act` in a transaction: committed when it ends, rolled back when it throws. */
  async transaction(act: () => Promise<void>): Promise<void> {
    await this.run("BEGIN TRANSACTION");
    try {
      await act();
      await this.run("COMMIT");
    } catch (error) {
      await this.connection.run("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  /** Closes the file and gives up its lock. */
  close(): void {
    this.connection.closeSync();
    this.#instance.closeSync();
  }

  async #guard<T>(
    statement: Statement | string,
    act: (
      text: string,
      values: Parameters<DuckDBConnection["run"]>[1],
      types: Parameters<DuckDBConnection["run"]>[2],
    ) => Promise<T>,
  ): Promise<T> {
    const { text, parameters } = typeof statement === "string" ? { text: statement, parameters: [] } : statement;
    const bound = parameters.map(toParameter);
    try {
      if (bound.length === 0) return await act(text, undefined, undefined);
      return await act(
        text,
        bound.map(({ value }) => value),
        bound.map(({ type }) => type),
      );
    } catch (error) {
      this.#isBroken ||= isFatal(error);
      throw statementError(text, error);
    }
  }
}

async function openFile(path: string, settings: Readonly<Record<string, string>>): Promise<DuckDBInstance> {
  mkdirSync(dirname(path), { recursive: true });
  // Extensions come with the engine or not at all: nothing is downloaded behind the user's back.
  return await DuckDBInstance.create(path, { ...settings, autoinstall_known_extensions: "false" });
}

/**
 * Each commit goes into the file itself, never into a log beside it: DuckDB 1.5.5 cannot read some logs of a killed
 * process again, such as of a column that was added to a table with defaults, and then no table of the file.
 */
const WITHOUT_LOG = { checkpoint_threshold: "0b", auto_checkpoint_skip_wal_threshold: "0" };

/** A publish has the file for a moment. */
const LONGEST_WAIT_MS = 200;

/**
 * Opens a file that other processes open too: waits while one of them has it, and says so.
 *
 * @throws WarehouseLockedError after `timeoutMs`
 */
export async function openWaiting(path: string, waiting: Omit<Waiting, "longestWaitMs">): Promise<Client> {
  return await tryUntilDone({ ...waiting, longestWaitMs: LONGEST_WAIT_MS }, async () => {
    try {
      return { done: await Client.open(path, WITHOUT_LOG) };
    } catch (error) {
      const holder = tryGetLockHolder(error);
      if (holder === undefined) throw error;
      return {
        message: `Waiting for ${path}, open in ${holder}`,
        timedOut: (seconds) =>
          new WarehouseLockedError(
            `${path} was still open in another process after ${seconds} s: ${holder}. ` +
              "One process at a time may write a DuckDB file: end that process, or close its connection.",
            { cause: error },
          ),
      };
    }
  });
}
