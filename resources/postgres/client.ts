import pg from "pg";
import { requestCancel } from "../cancel_request.ts";
import { CopyOut } from "../copy_out.ts";
import type { Statement } from "../render_sql.ts";
import type { Sample } from "../store.ts";
import type { PostgresConfig } from "./config.ts";
import { connectError, statementError } from "./errors.ts";
import { CopyIn, Describe, type DescribedColumn } from "./submitted.ts";
import { toParameter } from "./types.ts";

/** OID of boolean in pg_type, the one type that the server writes otherwise than people and other stores. */
const BOOLEAN = 16;
/** Every value as the server writes it. */
const AS_TEXT: pg.CustomTypesConfig = {
  getTypeParser:
    (oid: number) =>
    (value: string): string =>
      oid === BOOLEAN ? (value === "t" ? "true" : "false") : value,
};

/** How much later than the server this side ends a statement, at most: by then the network has gone silent. */
const MAX_GRACE_MS = 30_000;

/** One connection. Statements are never named, and settings hold for one transaction: PgBouncer may stand between. */
export class Client {
  readonly #client: pg.Client;
  /** After which no answer comes any more; 0: never. */
  readonly #silentMs: number;
  /** How long the server may take to end a statement that it is asked to end. */
  readonly graceMs: number;
  /** How long it may take for what it does at once. */
  readonly #promptMs: number;
  #isBroken = false;
  /** Why the server ended the connection while no statement ran: the next one is told only that it is not there. */
  #ending: pg.DatabaseError | undefined;

  private constructor(client: pg.Client, { statementTimeoutMs, lockTimeoutMs, connection }: PostgresConfig) {
    this.#client = client;
    const { connectionTimeoutMillis = 0 } = connection;
    this.#promptMs = connectionTimeoutMillis > 0 ? connectionTimeoutMillis : MAX_GRACE_MS;
    const hasLimits = statementTimeoutMs > 0 && lockTimeoutMs > 0;
    const longest = statementTimeoutMs + lockTimeoutMs;
    this.graceMs = hasLimits ? Math.min(longest, MAX_GRACE_MS) : MAX_GRACE_MS;
    // What timers take.
    this.#silentMs = hasLimits ? Math.min(longest + this.graceMs, 2 ** 31 - 1) : 0;
    client.on("error", (error) => {
      // The statement under way, or the next one, hears of it too.
      this.#isBroken = true;
      if (error instanceof pg.DatabaseError) this.#ending ??= error;
    });
    client.on("end", () => {
      this.#isBroken = true;
    });
  }

  /** @throws PostgresUnreachableError, PostgresLoginError, PostgresTlsError */
  static async connect(config: PostgresConfig): Promise<Client> {
    const { connection, place, variable } = config;
    const client = new pg.Client(connection);
    const opened = new Client(client, config);
    try {
      await client.connect();
      return opened;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw connectError(error, place, variable);
    }
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Runs one statement and returns its tag, such as `"INSERT"`.
   *
   * @throws StatementError
   */
  async run(statement: Statement | string): Promise<string> {
    return (await this.#query(statement)).command;
  }

  /**
   * Runs one statement and returns how many rows it wrote.
   *
   * @throws StatementError
   */
  async write(statement: Statement | string): Promise<bigint> {
    return BigInt((await this.#query(statement)).rowCount ?? 0);
  }

  /** Runs one query and returns all of its rows; values as text, NULL as `null`. @throws StatementError */
  async text(statement: Statement | string): Promise<Sample> {
    const { fields, rows } = await this.#query(statement);
    return { columns: fields.map(({ name }) => name), rows };
  }

  /** Runs statements of our own, without parameters, in one round trip. @throws StatementError */
  async script(statements: readonly string[]): Promise<void> {
    if (statements.length === 0) return;
    const text = statements.join(";\n");
    await this.#guard(text, () => this.#client.query(text));
  }

  /** The columns that a query yields; nothing is run. @throws StatementError */
  async describe(text: string): Promise<readonly DescribedColumn[]> {
    return await this.#guard(text, () => this.#client.query<Describe>(new Describe(text)).done);
  }

  /** Sends bytes to COPY … FROM STDIN; returns the number of rows. @throws StatementError, or what the source throws */
  async copyIn(text: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
    const copy = new CopyIn(text, source);
    try {
      return await this.#guard(text, () => this.#client.query<CopyIn>(copy).done);
    } catch (error) {
      // The cause of what the server then says.
      throw copy.fault === undefined ? error : copy.fault.error;
    }
  }

  /** The rows of COPY … TO STDOUT, as the server sends them. To be read to its end. @throws StatementError */
  async *copyOut(text: string): AsyncGenerator<Uint8Array> {
    const rows = this.#client.query<CopyOut>(new CopyOut(text)).rows();
    try {
      for (;;) {
        // However slow the reader is: only what it waits for counts.
        const next = await this.#guard<IteratorResult<Uint8Array, unknown>>(text, () => rows.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await rows.return(undefined);
    }
  }

  /**
   * Asks for the end of the running statement; one that is about to start does not hear it. Resolves when the server has
   * taken the request: until then it may end whatever runs in this session next.
   */
  async cancel(): Promise<void> {
    const { host, port, processID, secretKey } = this.#client as pg.Client & {
      readonly processID: number;
      readonly secretKey: number;
    };
    await requestCancel({ host, port, processID, secretKey });
  }

  /** Ends the connection without a word: its statement fails. */
  cut(): void {
    this.#isBroken = true;
    (this.#client as pg.Client & { readonly connection: pg.Connection }).connection.stream.destroy();
  }

  /** Ends the connection where the server does not do at once what it is asked for: the network has gone silent. */
  async promptly<T>(act: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.cut();
    }, this.#promptMs);
    try {
      return await act();
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    await this.promptly(() => this.#client.end().catch(() => undefined));
  }

  async #query(statement: Statement | string): Promise<pg.QueryArrayResult<(string | null)[]>> {
    const { text, parameters } = typeof statement === "string" ? { text: statement, parameters: [] } : statement;
    // The extended protocol takes one statement only, whatever is in the text.
    const query = {
      text,
      values: parameters.map((value) => toParameter(value).text),
      rowMode: "array" as const,
      types: AS_TEXT,
      queryMode: "extended",
    };
    return await this.#guard(text, () => this.#client.query<(string | null)[]>(query));
  }

  async #guard<T>(text: string, act: () => Promise<T>): Promise<T> {
    // The protocol ends a statement at its first NUL: half of it would run.
    if (text.includes("\0")) throw new TypeError("SQL holds no NUL character");
    const cut = (): void => {
      this.cut();
    };
    const timer = this.#silentMs === 0 ? undefined : setTimeout(cut, this.#silentMs);
    try {
      return await act();
    } catch (error) {
      throw statementError(error instanceof pg.DatabaseError ? error : (this.#ending ?? error), text);
    } finally {
      clearTimeout(timer);
    }
  }
}
