import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Answer } from "./answer.ts";
import { Body } from "./body.ts";
import type { Chdb, ChdbConnection } from "./chdb.ts";
import { refusals } from "./exception.ts";
import { credentialsOf, parseRequest, readForm, type QueryRequest } from "./request.ts";
import { insertFromFile, parseStatement, QUERY_ID_SETTING, quoteName, quoteText, withOurQueryIds, type Statement } from "./statement.ts"; // prettier-ignore
import { Sessions } from "./sessions.ts";
import { Turnstile } from "./turnstile.ts";

/** Parts of an answer in these formats, one after the other, are the whole answer. In others each part has its own head. */
const CONCATENABLE = /^(JSONEachRow|JSONCompactEachRow|JSONStringsEachRow|JSONCompactStringsEachRow|TabSeparated(Raw)?|TSV(Raw)?|CSV|RowBinary|Native|LineAsString)$/; // prettier-ignore

/** ClickHouse's HTTP interface over the engine in this process. https://clickhouse.com/docs/interfaces/http */
export class Front {
  readonly #chdb: Chdb;
  readonly #password: Buffer;
  readonly #folder: string;
  readonly #turnstile: Turnstile;
  readonly #sessions: Sessions;
  readonly #running = new Set<Promise<void>>();

  /** @param folder for bodies that are too large to hold */
  constructor(
    chdb: Chdb,
    options: { readonly password: string; readonly folder: string; readonly maxQueries: number },
  ) {
    this.#chdb = chdb;
    this.#sessions = new Sessions(chdb);
    this.#password = Buffer.from(options.password);
    this.#folder = options.folder;
    this.#turnstile = new Turnstile(options.maxQueries);
  }

  /** Answers one request. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const isPing = ["/ping", "/replicas_status"].includes(url.pathname);
    if (isPing || (request.method === "GET" && !url.searchParams.has("query"))) {
      response.end("Ok.\n");
      return;
    }
    const answer = new Answer(response, this.#chdb.version);
    const running = this.#answer(request, url, response, answer).catch((error: unknown) => {
      answer.sendError(error);
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Cancels what runs and waits for its end. */
  async stop(): Promise<void> {
    await this.#kill("!= ''");
    await Promise.all(this.#running);
    this.#sessions.end();
  }

  async #answer(request: IncomingMessage, url: URL, response: ServerResponse, answer: Answer): Promise<void> {
    const { user, password } = credentialsOf(request, url);
    if (user !== "default" || !isSame(Buffer.from(password), this.#password)) throw refusals.wrongPassword(user);

    await using body = await Body.receive(request, this.#folder, (from, to) => this.#decompressLz4(from, to));
    const form = await readForm(request, body);
    const asked = parseRequest(request, url, form);
    answer.queryId = asked.queryId;
    if (asked.wantsCompression) answer.compressFor(request.headers["accept-encoding"]?.toString() ?? "");
    const { statement, sql } = await compose(asked.query, form.size > 0 ? Body.empty(this.#folder) : body);
    const endWithClient = (): void => {
      if (!asked.endsWithClient || statement.kind !== "read") return;
      this.#kill(`= ${quoteText(asked.queryId)}`).catch((error: unknown) => {
        console.error(error);
      });
    };
    response.on("close", endWithClient);
    await this.#turnstile.run(async () => {
      if (response.destroyed) return; // it went away while it waited
      await this.#sessions.run(asked.sessionId, asked.sessionTimeoutSeconds, async (connection) => {
        const reset = await prepare(connection, asked);
        try {
          await execute(connection, statement, sql, asked, answer);
        } finally {
          if (asked.sessionId !== undefined) await connection.query(reset, "Null");
        }
      });
    });
    response.off("close", endWithClient);
  }

  async #decompressLz4(from: string, to: string): Promise<void> {
    using connection = this.#chdb.connect();
    const source = `file(${quoteText(from)}, 'RawBLOB', 'bytes String', 'lz4')`;
    await connection.query(`SELECT bytes FROM ${source} INTO OUTFILE ${quoteText(to)} FORMAT RawBLOB`, "Null");
  }

  /** Not through the turnstile: it is there to make room. */
  async #kill(condition: string): Promise<void> {
    using connection = this.#chdb.connect();
    await connection.query(`KILL QUERY WHERE Settings['${QUERY_ID_SETTING}'] ${condition} ASYNC`, "Null");
  }
}

function isSame(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** The statement that the engine is to run, from URL and body. */
async function compose(query: string, body: Body): Promise<{ statement: Statement; sql: string }> {
  const inUrl = query !== "";
  const head = inUrl ? query : body.head.toString();
  const statement = parseStatement(head);
  if (statement.isSeveral) throw refusals.severalStatements();
  const { load } = statement;
  if (load !== undefined) {
    const before = head.slice(load.rowsStart);
    // VALUES written into the statement itself.
    const isInline = load.format === "Values" && (inUrl ? body.isEmpty : true);
    if (!isInline) {
      const rows = inUrl
        ? await body.rows(before, 0)
        : await body.rows("", Buffer.byteLength(head.slice(0, load.rowsStart)));
      return { statement, sql: insertFromFile(load, rows) };
    }
  }
  const sql = inUrl ? (body.isEmpty ? query : `${query}\n${await body.text()}`) : await body.text();
  if (sql.trim() === "") throw refusals.emptyQuery();
  return { statement, sql: withOurQueryIds(sql) };
}

/**
 * Makes the connection what the request asks for.
 * @returns the statement that takes the settings back, for a connection that lives on
 */
async function prepare(connection: ChdbConnection, asked: QueryRequest): Promise<string> {
  if (asked.database !== undefined && asked.database !== "") {
    await connection.query(`USE ${quoteName(asked.database)}`, "Null");
  }
  const settings = new Map([
    // A server does not read `1 + 1` as a query; the embedded engine does.
    ["implicit_select", "0"],
    [QUERY_ID_SETTING, asked.queryId],
    ...asked.settings,
    ...[...asked.params].map(([name, value]) => [`param_${name}`, value] as const),
    // Last: after it, settings cannot be changed. 2 lets queries have settings of their own.
    // It cannot be taken back either.
    ...(asked.isReadOnly && asked.sessionId === undefined ? [["readonly", "2"] as const] : []),
  ]);
  const list = [...settings].map(([name, value]) => `${name} = ${quoteText(value)}`).join(", ");
  await connection.query(`SET ${list}`, "Null");
  const names = [...settings.keys()].filter((name) => !name.startsWith("param_"));
  return `SET ${names.map((name) => `${name} = DEFAULT`).join(", ")}`;
}

async function execute(
  connection: ChdbConnection,
  statement: Statement,
  sql: string,
  { defaultFormat, waitsForEnd }: QueryRequest,
  answer: Answer,
): Promise<void> {
  const format = statement.kind === "insert" ? defaultFormat : (statement.format ?? defaultFormat);
  if (statement.kind === "read" && !waitsForEnd && CONCATENABLE.test(format)) {
    await answer.sendParts(format, connection.stream(sql, defaultFormat));
    return;
  }
  const done = statement.kind === "insert" ? await connection.insert(sql) : await connection.query(sql, defaultFormat);
  await answer.send(format, done.bytes, {
    resultRows: done.rows,
    writtenRows: done.writtenRows,
    writtenBytes: done.writtenBytes,
  });
}
