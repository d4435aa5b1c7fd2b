import { setTimeout as wait } from "node:timers/promises";
import { Client as PgClient, type Connection, type QueryArrayConfig, type Submittable } from "pg";
import { requestCancel } from "../cancel_request.ts";
import { CopyOut } from "../copy_out.ts";
import type { Statement } from "../render_sql.ts";
import type { HyperConfig } from "./config.ts";
import { CopyIn } from "./copy_in.ts";
import { Describe, type ResultColumn } from "./describe.ts";
import { COMMIT, connectError, isGone, outcomeOf, statementError, StatementTimeoutError } from "./errors.ts";
import { literal } from "../quote.ts";
import { toParameter } from "./types.ts";

/** The type "unknown": the server finds out by what stands next to the parameter. It has no default of its own. */
const UNKNOWN = 705;
/** How long a cancelled statement may take to end before its connection is cut. */
const CANCEL_GRACE_MS = 30_000;

/** Rows as the protocol brings them: text, NULL as `null`; booleans are `t` and `f`. */
export interface TextResult {
  readonly columns: string[];
  readonly rows: (string | null)[][];
}

/** What `pg` has and its types leave out. */
interface Session {
  readonly processID: number;
  readonly secretKey: number;
  readonly connection: Connection;
}

/** One session with a Hyper server. Runs one statement at a time. */
export class Client {
  readonly #pg: PgClient;
  readonly #statementTimeoutMs: number;
  #signal: AbortSignal | undefined;
  #usable = true;

  private constructor(pg: PgClient, statementTimeoutMs: number) {
    this.#pg = pg;
    this.#statementTimeoutMs = statementTimeoutMs;
    // An idle connection that ends tells of it here, and would end the process if nobody listened.
    pg.on("error", () => {
      this.#usable = false;
    });
    pg.on("end", () => {
      this.#usable = false;
    });
  }

  /**
   * Connects.
   *
   * @throws UnreachableError, AccessError, HyperConfigurationError
   */
  static async open({ url, connectTimeoutMs, statementTimeoutMs }: HyperConfig): Promise<Client> {
    const pg = new PgClient({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true });
    const client = new Client(pg, statementTimeoutMs);
    try {
      await pg.connect();
      await pg.query("SET TIME ZONE 'UTC'");
      // Else a double is written with 15 digits, also where its text is hashed; this is all of it.
      await pg.query("SET extra_float_digits = 3");
      return client;
    } catch (error) {
      await pg.end().catch(() => undefined);
      throw connectError(error, `Hyper at ${pg.host}:${pg.port}`);
    }
  }

  /** `false` when the server or the network has ended the connection. */
  get usable(): boolean {
    return this.#usable;
  }

  /** From here on the signal ends the running statement, and the server's log names who works. */
  async serve(signal: AbortSignal, applicationName: string): Promise<void> {
    this.#signal = signal;
    await this.run(`SET application_name = ${literal(applicationName)}`);
  }

  /** From here on no signal counts: what has to be cleaned up is cleaned up. */
  serveNobody(): void {
    this.#signal = undefined;
  }

  /**
   * Runs a statement.
   *
   * @throws ProjectError by its cause
   */
  async run(statement: Statement | string): Promise<void> {
    await this.text(statement);
  }

  /**
   * Runs a query and returns all of its rows.
   *
   * @throws ProjectError by its cause
   */
  async text(statement: Statement | string): Promise<TextResult> {
    const { text, parameters } = typeof statement === "string" ? { text: statement, parameters: [] } : statement;
    // pg hands the list of types on to the server, and asks the same object how to read values.
    const types = Object.assign(
      parameters.map(() => UNKNOWN),
      { getTypeParser: () => (value: string | Buffer) => value },
    );
    const query = { text, values: parameters.map(toParameter), rowMode: "array", types };
    const result = await this.#guard(text, () =>
      this.#pg.query<(string | null)[]>(query as unknown as QueryArrayConfig<(string | null)[]>),
    );
    return { columns: result.fields.map(({ name }) => name), rows: result.rows };
  }

  /** The columns that a statement would return; `undefined` if it returns no rows. Nothing is run. */
  async describe({ text, parameters }: Statement): Promise<readonly ResultColumn[] | undefined> {
    const describe = new Describe(
      text,
      parameters.map(() => UNKNOWN),
    );
    return await this.#guard(text, () => {
      this.#submit(describe);
      return describe.columns;
    });
  }

  /** Begins a `COPY … FROM STDIN`. Its rows may take any time; no other statement can run meanwhile. */
  async copyIn(text: string): Promise<CopyIn> {
    const copy = new CopyIn(text);
    await this.#guard(text, () => {
      this.#submit(copy);
      return copy.started;
    });
    return copy;
  }

  /** Reads the rows of a `COPY … TO STDOUT`, as the server sends them, to their end. */
  async copyOut<T>(text: string, read: (rows: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
    const copy = new CopyOut(text);
    return await this.#guard(text, () => {
      this.#submit(copy);
      return read(copy.rows());
    });
  }

  /** Waits for the end of a COPY, under the limits of a statement. */
  async endCopy(copy: CopyIn): Promise<void> {
    await this.#guard("COPY", () => copy.end());
  }

  /**
   * Runs `act` in a transaction: committed when it ends, rolled back when it throws.
   *
   * @throws TypeError when the transaction had ended before: also after a look at a table that is not there
   */
  async transaction<T>(act: () => Promise<T>): Promise<T> {
    await this.run("BEGIN");
    try {
      const result = await act();
      const { command } = await this.#guard(COMMIT, () => this.#pg.query(COMMIT));
      // So does the server answer when a statement in the transaction had failed.
      if (command !== COMMIT) throw new TypeError(`the transaction ended with ${command}`);
      return result;
    } catch (error) {
      await this.#pg.query("ROLLBACK").catch(() => {
        this.#usable = false;
      });
      throw error;
    }
  }

  /** Ends the session: its temporary tables are gone, and its transaction is rolled back. */
  async close(): Promise<void> {
    this.#usable = false;
    await this.#pg.end().catch(() => undefined);
  }

  #submit(submittable: CopyIn | CopyOut | Describe): void {
    // pg's types ask for less than its code calls.
    this.#pg.query(submittable as unknown as Submittable);
  }

  /** Ends the statement at its limit or when the run is terminated, and maps what goes wrong. */
  async #guard<T>(text: string, act: () => Promise<T>): Promise<T> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const limit = this.#statementTimeoutMs;
    const over = new AbortController();
    const limited = new AbortController();
    const timer =
      limit === 0
        ? undefined
        : setTimeout(() => {
            limited.abort();
          }, limit);
    let cancelled: Promise<void> | undefined;
    const abort = (): void => {
      cancelled ??= this.#cancel(over.signal);
    };
    signal?.addEventListener("abort", abort, { once: true });
    limited.signal.addEventListener("abort", abort, { once: true });
    try {
      return await act();
    } catch (error) {
      if (isGone(error)) this.#usable = false;
      signal?.throwIfAborted();
      if (limited.signal.aborted) {
        throw new StatementTimeoutError(
          `a statement took longer than its limit of ${limit / 1000} s; ${outcomeOf(text)}. ` +
            "Make it quicker, or raise HYPER_STATEMENT_TIMEOUT_SECONDS. The server says",
          text,
          error,
        );
      }
      throw statementError(error, text);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      over.abort();
      // A late request would end the next statement of the session.
      await cancelled;
    }
  }

  /** Cancels until the statement ends: a request that arrives between two statements does nothing. */
  async #cancel(over: AbortSignal): Promise<void> {
    const { processID, secretKey } = this.#pg as unknown as Session;
    const deadline = performance.now() + CANCEL_GRACE_MS;
    for (let waitMs = 50; !over.aborted && performance.now() < deadline; waitMs *= 2) {
      await requestCancel({ host: this.#pg.host, port: this.#pg.port, processID, secretKey });
      await wait(waitMs, undefined, { signal: over }).catch(() => undefined);
    }
    // The server hears nothing any more: the statement fails with its connection.
    if (!over.aborted) (this.#pg as unknown as Session).connection.stream.destroy();
  }
}
