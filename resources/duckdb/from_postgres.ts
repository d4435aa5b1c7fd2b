import { setTimeout as wait } from "node:timers/promises";
import type { PostgresReader, PostgresTableSource, ReadColumn, ReadLimits } from "../bulk_source.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import { readCsv } from "../csv.ts";
import { StatementError } from "../errors.ts";
import { throughPipe } from "../pipe.ts";
import { literal, quote } from "../quote.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { SourceLostError } from "./errors.ts";
import { loadExtension } from "./extension.ts";

/** CSV brings no years before Christ; later ones overflow on their way through the extension. */
const LIMITS: ReadLimits = { first: "0001-01-01", end: "290000-01-01", allowsInfinity: true };
const EXTENSION = { name: "postgres_scanner", variable: "DUCKDB_POSTGRES_EXTENSION" };
/** The name under which the server is attached while it is read. */
const ATTACHED = quote("_postgres");

/**
 * Copies a PostgreSQL table into a table of the contract's columns: by DuckDB's extension `postgres_scanner` where it is
 * installed, else by COPY through a pipe. Both run the same statement on the server.
 *
 * The extension is the file that `DUCKDB_POSTGRES_EXTENSION` names, else the one that DuckDB has installed, else that of
 * the Python package `duckdb-extension-postgres-scanner` in the project's `.venv`; nothing is downloaded.
 *
 * @returns the statement, for people
 */
export async function copyFromPostgres(
  client: Client,
  into: string,
  source: PostgresTableSource,
  columns: CopiedColumns,
  { target, attempt, projectDir }: { readonly target: Target; readonly attempt: Attempt; readonly projectDir: string },
): Promise<string> {
  const { runId, signal, log } = attempt;
  const wanted: ReadColumn[] = target.columns.map(({ name, type }) => ({
    name,
    type,
    source: sourceOf(columns, name),
  }));
  const { assetKey } = target;
  const reader = await source.open({ assetKey, runId, columns: wanted, limits: LIMITS, signal, log });
  if (await loadExtension(client, EXTENSION, projectDir)) await scan(client, into, reader, signal);
  else await pipe(client, into, reader, wanted);
  return `-- in ${reader.place}\n${reader.query}`;
}

async function pipe(
  client: Client,
  into: string,
  reader: PostgresReader,
  columns: readonly ReadColumn[],
): Promise<void> {
  await throughPipe(reader.rows("csv"), (path) => client.run(`INSERT INTO ${into} FROM ${readCsv(path, columns)}`));
}

async function scan(client: Client, into: string, reader: PostgresReader, signal: AbortSignal): Promise<void> {
  const { query, server } = reader;
  const guarded = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw sourceError(error, query, server);
    }
  };
  const inServer = (text: string): Promise<void> =>
    guarded(() => client.run(`CALL postgres_execute(${literal("_postgres")}, ${literal(text)})`));
  const read = (text: string): string => `postgres_query(${literal("_postgres")}, ${literal(text)})`;
  await guarded(() => client.run(`ATTACH ${literal(server.url)} AS ${ATTACHED} (TYPE postgres, READ_ONLY)`));
  try {
    await client.transaction(async () => {
      // They hold for the transaction: PgBouncer may stand between.
      await inServer(`SET LOCAL statement_timeout = ${server.statementTimeoutMs}`);
      await inServer(`SET LOCAL lock_timeout = ${server.lockTimeoutMs}`);
      // As the other ways cast values, whatever the database or the user prefers.
      await inServer("SET LOCAL timezone = 'UTC'");
      await inServer("SET LOCAL datestyle = 'ISO'");
      await inServer("SET LOCAL intervalstyle = 'postgres'");
      const { rows } = await guarded(() => client.text(`FROM ${read("SELECT pg_catalog.pg_backend_pid()")}`));
      const end = cancelOnAbort(reader, rows[0]?.[0] ?? "", signal);
      try {
        await guarded(() => client.run(`INSERT INTO ${into} FROM ${read(query)}`));
      } finally {
        await end();
      }
    });
  } finally {
    await client.run(`DETACH ${ATTACHED}`);
  }
}

const CANCEL_EVERY_MS = 200;

/** While the extension waits for PostgreSQL it hears no interrupt: PostgreSQL has to end the statement. */
function cancelOnAbort(reader: PostgresReader, processId: string, signal: AbortSignal): () => Promise<void> {
  const over = new AbortController();
  let cancelling: Promise<void> = Promise.resolve();
  const cancel = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await reader.cancel(processId).catch(() => undefined);
      await wait(CANCEL_EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  const begin = (): void => {
    cancelling = cancel();
  };
  signal.addEventListener("abort", begin, { once: true });
  return async () => {
    signal.removeEventListener("abort", begin);
    over.abort();
    await cancelling;
  };
}

/** What libpq and the server say of what may be gone the next time. */
const TRANSIENT =
  /terminating connection|server closed the connection|could not receive data|could not send data|no connection to the server|SSL SYSCALL|Unable to connect|database system is|conflict with recovery/;

/** The engine's messages and statements name the server with its password. */
function sourceError(error: unknown, statement: string, { url, password }: PostgresReader["server"]): Error {
  const message = error instanceof Error ? error.message : String(error);
  const { password: inUrl, searchParams } = new URL(url);
  const secrets = [url, inUrl, password, searchParams.get("password") ?? ""];
  const spellings = secrets.flatMap((text) => [text, literal(text).slice(1, -1), encodeURIComponent(text)]);
  const told = new Error(
    spellings.filter((text) => text !== "").reduce((text, secret) => text.replaceAll(secret, "[redacted]"), message),
  );
  const Kind = TRANSIENT.test(message) ? SourceLostError : StatementError;
  return new Kind("a copy from PostgreSQL failed", statement, told);
}
