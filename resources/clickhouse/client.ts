import { randomUUID } from "node:crypto";
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from "@clickhouse/client";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Statement } from "../render_sql.ts";
import type { ClickHouseConfig } from "./config.ts";
import { parameterValues } from "./dialect.ts";
import { SourceError, toStatementError } from "./errors.ts";

/** Beyond the statement's own limit, which the server keeps: only a server that hangs reaches it. */
const ANSWER_GRACE_SECONDS = 30;

/** @see https://man7.org/linux/man-pages/man3/errno.3.html */
const FILE_FAULTS: ReadonlySet<string> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EFBIG",
  "EACCES",
  "EROFS",
  "ENOENT",
  "EEXIST",
  "EIO",
]);

/** A limit of the user's profile ends a statement; it never leaves out the rows beyond it. */
const THROW = {
  timeout_overflow_mode: "throw",
  read_overflow_mode: "throw",
  read_overflow_mode_leaf: "throw",
  group_by_overflow_mode: "throw",
  sort_overflow_mode: "throw",
  result_overflow_mode: "throw",
  distinct_overflow_mode: "throw",
  set_overflow_mode: "throw",
  join_overflow_mode: "throw",
  transfer_overflow_mode: "throw",
} as const;

/** Of every statement, whatever the user's profile or the URL says. */
const SETTINGS: ClickHouseSettings = {
  ...THROW,
  limit: "0",
  offset: "0",
  // An error has a status of its own only when the answer waits for the end.
  wait_end_of_query: 1,
  // Long statements send a line of progress, so that no proxy takes the connection for dead.
  send_progress_in_http_headers: 1,
  http_headers_progress_interval_ms: "10000",
  async_insert: 0,
  // NULL in a column that has none is an error, never a default.
  insert_null_as_default: 0,
  input_format_null_as_default: 0,
  // As in every other store: an outer join yields NULL where nothing matches, and a cast leaves NULL as it is.
  join_use_nulls: 1,
  cast_keep_nullable: 1,
  // Replicated tables drop a block that is equal to an earlier one; staged rows may be equal.
  insert_deduplicate: 0,
  max_partitions_per_insert_block: "0",
  mutations_sync: "2",
  // What was altered, attached or replaced is so on all replicas; what ran on all nodes of a cluster has ended there.
  alter_sync: "2",
  distributed_ddl_output_mode: "throw",
  // Tables of any size are replaced.
  max_table_size_to_drop: "0",
  date_time_overflow_behavior: "throw",
  // Times without a zone are UTC, wherever the server is.
  session_timezone: "UTC",
  date_time_output_format: "iso",
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
  output_format_decimal_trailing_zeros: 1,
};

/** Who runs a statement; the server's logs show it. */
export interface Label {
  readonly assetKey: string;
  readonly runId: string;
}

/** A statement's own options. */
export interface StatementOptions {
  readonly settings?: ClickHouseSettings;
}

/** For queries of a few rows: a server of many cores takes longer to share them out than to read them. */
export const FEW_ROWS: StatementOptions = { settings: { max_threads: 1 } };

/** Statements to one server, over HTTP; each stands alone. */
export class Client {
  readonly config: ClickHouseConfig;
  readonly #driver: ClickHouseClient;
  readonly #label: Label | undefined;
  readonly #signal: AbortSignal | undefined;

  private constructor(config: ClickHouseConfig, driver: ClickHouseClient, label?: Label, signal?: AbortSignal) {
    this.config = config;
    this.#driver = driver;
    this.#label = label;
    this.#signal = signal;
  }

  /** Opens no connection yet. */
  static create(config: ClickHouseConfig): Client {
    const driver = createClient({
      url: config.url,
      application: "dagster-typescript",
      // It would print statements with their values; errors are thrown.
      log: { level: ClickHouseLogLevel.OFF },
      request_timeout: (config.statementTimeoutSeconds + ANSWER_GRACE_SECONDS) * 1000,
      ...(config.certificateAuthority === null ? {} : { tls: { ca_cert: config.certificateAuthority } }),
    });
    return new Client(config, driver);
  }

  /** The same server, for an attempt: its statements carry the label and end with the signal. */
  as(label: Label, signal?: AbortSignal): Client {
    return new Client(this.config, this.#driver, label, signal);
  }

  /** The same, not ended by the signal: for tidying up. */
  unending(): Client {
    return new Client(this.config, this.#driver, this.#label);
  }

  /**
   * Runs a statement.
   *
   * @throws ClickHouseStatementError
   */
  async run(statement: Statement | string, options: StatementOptions = {}): Promise<void> {
    await this.#guard(statement, options, (common, query) => this.#driver.command({ ...common, query }));
  }

  /**
   * Runs a query and returns all of its rows; values as text, NULL as `null`.
   *
   * @throws ClickHouseStatementError
   */
  async text(
    statement: Statement | string,
    options: StatementOptions = {},
  ): Promise<{ columns: string[]; rows: (string | null)[][] }> {
    const text = await this.#guard(statement, options, async (common, query) => {
      const format = "JSONCompactEachRowWithNames";
      return await (await this.#driver.query({ ...common, query, format })).text();
    });
    const [columns = [], ...rows] = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown[]);
    return { columns: columns.map(String), rows: rows.map((row) => row.map(toText)) };
  }

  /**
   * Inserts lines of a text format.
   *
   * @param statement Ends with `FORMAT …`.
   * @throws ClickHouseStatementError
   */
  async insert(statement: string, lines: string): Promise<void> {
    await this.insertStream(statement, Readable.from([Buffer.from(lines)], { objectMode: false }));
  }

  /**
   * Inserts a stream of any format; nothing of it is held.
   *
   * @param statement Ends with `FORMAT …`.
   * @throws ClickHouseStatementError
   */
  async insertStream(statement: string, values: Readable, options: StatementOptions = {}): Promise<void> {
    await this.#guard(statement, options, async (common) => {
      const { stream } = await this.#driver.exec({ ...common, query: statement, values });
      await stream.toArray();
    });
  }

  /**
   * Runs a query and writes its answer, in the format that it names, to a new file; nothing of it is held.
   *
   * @throws ClickHouseStatementError, SourceError
   */
  async download(text: string, path: string, options: StatementOptions = {}): Promise<void> {
    const file = createWriteStream(path, { flags: "wx" });
    let fault: Error | undefined;
    file.on("error", (error) => {
      fault ??= error;
    });
    try {
      await this.#guard(text, options, async (common, query) => {
        const { stream } = await this.#driver.exec({ ...common, query });
        await pipeline(stream, file);
      });
    } catch (error) {
      // A pipeline ends its file also with the fault of the server's answer.
      if (fault === undefined || !("code" in fault) || !FILE_FAULTS.has(String(fault.code))) throw error;
      throw new SourceError(`${path} cannot be written: ${fault.message}`, { cause: fault });
    } finally {
      file.destroy();
    }
  }

  async close(): Promise<void> {
    await this.#driver.close();
  }

  async #guard<T>(
    statement: Statement | string,
    options: StatementOptions,
    act: (
      common: {
        query_id: string;
        clickhouse_settings: ClickHouseSettings;
        query_params: Record<string, string>;
        abort_signal?: AbortSignal;
      },
      text: string,
    ) => Promise<T>,
  ): Promise<T> {
    const { text, parameters } = typeof statement === "string" ? { text: statement, parameters: [] } : statement;
    this.#signal?.throwIfAborted();
    const queryId = [this.#label?.assetKey, this.#label?.runId, randomUUID()].filter(Boolean).join(":");
    const common = {
      query_id: queryId,
      query_params: parameterValues({ parameters }),
      clickhouse_settings: {
        ...SETTINGS,
        max_execution_time: this.config.statementTimeoutSeconds,
        distributed_ddl_task_timeout: String(this.config.statementTimeoutSeconds),
        log_comment: this.#label === undefined ? "dagster-typescript" : JSON.stringify(this.#label),
        ...options.settings,
      },
      ...(this.#signal === undefined ? {} : { abort_signal: this.#signal }),
    };
    try {
      return await act(common, text);
    } catch (error) {
      if (this.#signal?.aborted === true) {
        // Without its client a write goes on.
        await this.#kill(queryId);
        this.#signal.throwIfAborted();
      }
      throw toStatementError(error, text, this.config.url);
    }
  }

  async #kill(queryId: string): Promise<void> {
    const query = "KILL QUERY WHERE query_id = {id:String} SYNC";
    await this.#driver.command({ query, query_params: { id: queryId } }).catch(() => undefined);
  }
}

function toText(value: unknown): string | null {
  if (value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}
