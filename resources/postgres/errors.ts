import pg from "pg";
import { ProjectError } from "../../definitions/project_error.ts";
import { StatementError } from "../errors.ts";

/** The configuration names no server. */
export class PostgresConfigError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/** Nothing answers, or not now. */
export class PostgresUnreachableError extends ProjectError {
  readonly code = "postgres_unreachable";
  readonly retryable = true;
}

/** The server answers, and lets this user not in. */
export class PostgresLoginError extends ProjectError {
  readonly code = "postgres_login_refused";
  readonly retryable = false;
}

/** No encrypted connection can be trusted. */
export class PostgresTlsError extends ProjectError {
  readonly code = "postgres_tls_failed";
  readonly retryable = false;
}

/** The connection ended in the middle. Whether a COMMIT under way took place, the ledger tells. */
export class ConnectionLostError extends StatementError {
  override readonly code = "connection_lost";
  override readonly retryable = true;
}

/** A lock was not to be had in time. */
export class LockTimeoutError extends StatementError {
  override readonly code = "lock_timeout";
  override readonly retryable = true;
}

/** Another transaction was in the way: a deadlock or a conflict. */
export class TransactionConflictError extends StatementError {
  override readonly code = "transaction_conflict";
  override readonly retryable = true;
}

/** Another transaction changed what the catalog says of the same table, and is over. */
export class CatalogConflictError extends TransactionConflictError {}

/** The server is short of memory or connections at the moment. */
export class ServerOverloadedError extends StatementError {
  override readonly code = "server_overloaded";
  override readonly retryable = true;
}

/** The server keeps so many locks at once; each partition and each of its indexes needs one. */
export class LockTableFullError extends StatementError {
  override readonly code = "lock_table_full";
}

/** The server ended a statement that took too long: the next time it would, too. */
export class StatementTimeoutError extends StatementError {
  override readonly code = "statement_timeout";
}

/** The server's disk, or its limit for temporary files, is full. */
export class DiskFullError extends StatementError {
  override readonly code = "disk_full";
}

/** A number does not fit into its column. */
export class OutOfRangeError extends StatementError {
  override readonly code = "value_out_of_range";
}

/** No partition of a table takes a row. */
export class MissingPartitionError extends StatementError {
  override readonly code = "missing_partition";
}

/** Two rows have the same key, which an index lets only one have. */
export class DuplicateKeyError extends StatementError {
  override readonly code = "duplicate_key";
  /** The index that refuses them; of a partition, its own. */
  readonly index: { readonly schema: string; readonly name: string };

  constructor(what: string, statement: string, cause: unknown) {
    super(what, statement, cause);
    const told: unknown = cause instanceof Error ? cause.cause : undefined;
    const { schema = "", constraint: name = "" } = told instanceof pg.DatabaseError ? told : {};
    this.index = { schema, name };
  }
}

/** A text that PostgreSQL cannot hold. */
export class UnstorableTextError extends StatementError {
  override readonly code = "unstorable_text";
}

/** The user of DATABASE_URL may not do this. */
export class PermissionDeniedError extends StatementError {
  override readonly code = "permission_denied";
}

/** A table or schema is not there. */
export class UndefinedRelationError extends StatementError {
  override readonly code = "undefined_relation";
}

/** The server takes no writes. */
export class ReadOnlyServerError extends StatementError {
  override readonly code = "read_only_server";
}

/** The server crashed after rows had been staged, and has not all of them any more. */
export class StagedRowsLostError extends ProjectError {
  readonly code = "staged_rows_lost";
  readonly retryable = true;
}

/** Something else than a table has the table's name. */
export class NotATableError extends ProjectError {
  readonly code = "not_a_table";
  readonly retryable = false;
}

type StatementErrorClass = new (what: string, statement: string, cause: unknown) => StatementError;

/** SQLSTATEs, or their classes of two characters. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const BY_STATE: Readonly<Record<string, readonly [error: StatementErrorClass, advice: string]>> = {
  "08": [ConnectionLostError, "the connection was lost"],
  "57P01": [ConnectionLostError, "the server ended the connection"],
  "57P02": [ConnectionLostError, "the server crashed"],
  "57P03": [ConnectionLostError, "the server is starting or stopping"],
  "57P05": [ConnectionLostError, "the server ended the connection as idle"],
  "25P03": [ConnectionLostError, "the server ended a transaction as idle: raise idle_in_transaction_session_timeout"],
  "25P04": [StatementTimeoutError, "the server ended a transaction that took too long: raise transaction_timeout"],
  "55P03": [LockTimeoutError, "another transaction holds the table: see pg_locks and pg_stat_activity"],
  "40": [TransactionConflictError, "another transaction was in the way"],
  "53100": [DiskFullError, "the server's disk is full: make room on it"],
  "53400": [
    DiskFullError,
    "a limit of the server is reached, such as temp_file_limit: raise it, or read less at a time",
  ],
  "53": [ServerOverloadedError, "the server is short of memory or connections"],
  "22003": [OutOfRangeError, "a number does not fit into its column"],
  "22008": [OutOfRangeError, "a time does not fit into its column, or is too near the end of time for a partition"],
  "23505": [
    DuplicateKeyError,
    "two rows have a key that a unique index allows once: correct the rows, or drop the index",
  ],
  "22021": [UnstorableTextError, "PostgreSQL keeps UTF-8 without NUL characters: remove them from the text"],
  "22P05": [UnstorableTextError, "the database's encoding lacks a character: make the database with ENCODING 'UTF8'"],
  "42501": [PermissionDeniedError, "let the table's owner grant it, or give DATABASE_URL another user"],
  "42P01": [UndefinedRelationError, "materialize the asset that it belongs to first"],
  "3F000": [UndefinedRelationError, "materialize an asset of that schema first"],
  "25006": [ReadOnlyServerError, "DATABASE_URL must name a server that takes writes, not a replica"],
};

/** What the server says, in no other language, of two that change the same row of its catalog. It has no SQLSTATE. */
const TUPLE_CONFLICT = /^tuple concurrently (updated|deleted)/;
const QUERY_CANCELED = "57014";
const INVALID_DEFINITION = "42P17";
const CHECK_VIOLATION = "23514";

/** What a failed statement was about. Its message holds what the server says, never a value of the connection. */
export function statementError(error: unknown, statement: string): Error {
  if (error instanceof ProjectError) return error;
  if (!(error instanceof pg.DatabaseError)) {
    // No answer of the server says what became of the statement.
    if (isGone(error)) return new ConnectionLostError("PostgreSQL: the connection was lost", statement, error);
    return new StatementError("PostgreSQL: a statement failed on this side", statement, error);
  }
  const state = error.code ?? "";
  const told = new Error(
    [error.message, error.detail, error.hint, error.where?.split("\n")[0]].filter(Boolean).join("; "),
    {
      cause: error,
    },
  );
  if (state === QUERY_CANCELED && error.message.includes("statement timeout")) {
    const advice = "raise DATABASE_STATEMENT_TIMEOUT_SECONDS, or make it read less";
    return new StatementTimeoutError(`PostgreSQL ended a statement: ${advice}`, statement, told);
  }
  if (state === QUERY_CANCELED)
    return new StatementError(
      `PostgreSQL ended a statement (${state}): somebody cancelled it, or a limit was reached`,
      statement,
      told,
    );
  // Nothing was in the way of the partition when it was looked for.
  if (state === INVALID_DEFINITION && statement.includes("ATTACH PARTITION"))
    return new CatalogConflictError("PostgreSQL: another transaction made such a partition", statement, told);
  // The same SQLSTATE as for a constraint by which people check rows, which has a name.
  if (state === CHECK_VIOLATION && error.constraint === undefined) {
    return new MissingPartitionError(
      "PostgreSQL refused a statement (23514): no partition takes a row",
      statement,
      told,
    );
  }
  // The same SQLSTATE as for memory that is short for a moment; the name of the setting is in every language's hint.
  if (told.message.includes("max_locks_per_transaction")) {
    const remedy = "have max_locks_per_transaction of the server raised, or choose longer partitions";
    return new LockTableFullError(`PostgreSQL refused a statement (${state}): ${remedy}`, statement, told);
  }
  if (TUPLE_CONFLICT.test(error.message))
    return new CatalogConflictError("PostgreSQL: another transaction changed the table", statement, told);
  const [Child, advice] = BY_STATE[state] ?? BY_STATE[state.slice(0, 2)] ?? [StatementError, undefined];
  return new Child(
    `PostgreSQL refused a statement (${state})${advice === undefined ? "" : `: ${advice}`}`,
    statement,
    told,
  );
}

/** Codes of Node's sockets. @see https://nodejs.org/api/errors.html#common-system-errors */
const SOCKET =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENETRESET|ENOTCONN|ERR_STREAM_.*|ERR_SSL_.*)$/;
/** What the driver says, without a code, of a connection that ended under a statement. */
const ENDED = /^Connection terminated|^timeout expired|^Client has encountered a connection error|not queryable/;

function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? SOCKET.test(code) : ENDED.test(error.message);
}

/** Codes of Node's TLS. @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const TLS_CODE = /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/;
const LOGIN_STATE = /^(28|3D000|42501)/;
/** PgBouncer has one SQLSTATE for all; its words, in no other language, tell a wrong login from a server that is away. */
const BOUNCED_STATE = "08P01";
const BOUNCED_LOGIN = /auth(entication)? failed|no such (user|database)|does not exist|not allow/i;

function isLoginRefused(error: unknown): boolean {
  const { code = "", message = "" } = error as { readonly code?: string; readonly message?: string };
  if (!(error instanceof pg.DatabaseError)) return /SASL|password/i.test(message);
  return LOGIN_STATE.test(code) || (code === BOUNCED_STATE && BOUNCED_LOGIN.test(message));
}

/** Why there is no connection. */
export function connectError(error: unknown, place: string, variable = "DATABASE_URL"): ProjectError {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const said = [code, message].filter((text) => text !== undefined && text !== "").join(": ");
  if (TLS_CODE.test(code ?? "") || /\bSSL\b|\bTLS\b/.test(message ?? "")) {
    return new PostgresTlsError(
      `${place}: no trusted encrypted connection: ${said}. Look at sslmode, sslrootcert, sslcert and sslkey in ${variable}, ` +
        "and at the names in the server's certificate",
      { cause: error },
    );
  }
  if (isLoginRefused(error)) {
    return new PostgresLoginError(
      `${place}: PostgreSQL lets the user not in: ${said}. Look at user, password and database in ${variable}`,
      { cause: error },
    );
  }
  if (code?.startsWith("53") === true) {
    return new PostgresUnreachableError(
      `${place}: PostgreSQL has no connection left: ${said}. Let others end theirs, or raise the limit of the server, ` +
        `the database or the user of ${variable}`,
      { cause: error },
    );
  }
  return new PostgresUnreachableError(
    `${place}: PostgreSQL does not answer: ${said}. Is the server of ${variable} running, and open to this machine?`,
    { cause: error },
  );
}
