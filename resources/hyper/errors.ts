import { ProjectError } from "../../definitions/project_error.ts";
import { StatementError } from "../errors.ts";

/** An environment variable is missing or wrong. */
export class HyperConfigurationError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/** The server is not there, went away, or takes no more connections. */
export class UnreachableError extends ProjectError {
  readonly code = "unreachable";
  readonly retryable = true;
}

/** The server does not take the user or the password. */
export class AccessError extends ProjectError {
  readonly code = "access_denied";
  readonly retryable = false;
}

/** A statement names a table, schema or database that is not there. */
export class UndefinedRelationError extends StatementError {
  override readonly code = "undefined_relation";
}

/** A statement names a column that its tables do not have. */
export class UndefinedColumnError extends StatementError {
  override readonly code = "undefined_column";
}

/** A value does not fit its type: too large, not a number, NULL where none may be. */
export class ValueRefusedError extends StatementError {
  override readonly code = "value_refused";
}

/** A statement took longer than its limit, and was cancelled: the next time it would, too. */
export class StatementTimeoutError extends StatementError {
  override readonly code = "statement_timeout";
}

/** Another transaction wrote the same rows, or changed the same table, at the same time. */
export class ConflictError extends StatementError {
  override readonly code = "write_conflict";
  override readonly retryable = true;
}

/** What a statement makes is there already. */
export class AlreadyThereError extends StatementError {
  override readonly code = "already_there";
}

/** The server is short of something that it may have again soon, such as memory. */
export class OverloadError extends StatementError {
  override readonly code = "overload";
  override readonly retryable = true;
}

/** The disk of the server is full. */
export class DiskFullError extends StatementError {
  override readonly code = "disk_full";
}

/** Another publish of the same table took longer than the limit. */
export class TableLockedError extends ProjectError {
  readonly code = "table_locked";
  readonly retryable = true;
}

/** A table of an interrupted publish has the name that another publish needs. */
export class TableInTheWayError extends ProjectError {
  readonly code = "table_in_the_way";
  readonly retryable = false;
}

type Kind = new (what: string, statement: string, cause: unknown) => StatementError;

/**
 * SQLSTATEs, and classes of them (their first two characters), which Hyper shares with PostgreSQL.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const BY_STATE: ReadonlyMap<string, { readonly kind: Kind; readonly advice: string }> = new Map(
  Object.entries({
    "22": { kind: ValueRefusedError, advice: "" },
    // not_null_violation
    "23502": { kind: ValueRefusedError, advice: "" },
    // serialization_failure; deadlock is of the same class
    "40": { kind: ConflictError, advice: "" },
    // undefined_table, invalid_schema_name, invalid_catalog_name
    "42P01": { kind: UndefinedRelationError, advice: "" },
    "3F000": { kind: UndefinedRelationError, advice: "" },
    "3D000": { kind: UndefinedRelationError, advice: "" },
    "42703": { kind: UndefinedColumnError, advice: "" },
    // duplicate_object, also of a schema; duplicate_column
    "42710": { kind: AlreadyThereError, advice: "" },
    "42701": { kind: AlreadyThereError, advice: "" },
    "53": { kind: OverloadError, advice: "" },
    // disk_full
    "53100": { kind: DiskFullError, advice: ". Free space on the disk of the Hyper server" },
    // undefined_file: of external(), which reads on the machine of the server
    "58P01": {
      kind: StatementError,
      advice: ". The file must be on the machine of the Hyper server, under the same path",
    },
  }),
);

/** admin_shutdown, crash_shutdown, cannot_connect_now; class 08 is about connections. */
const GONE: ReadonlySet<string> = new Set(["57P01", "57P02", "57P03", "53300"]);

/** Codes of Node's sockets. @see https://nodejs.org/api/errors.html#common-system-errors */
const SOCKET = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;
/** What `pg` says, without a code, of a connection that ended under a statement. */
const ENDED = /^Connection terminated|^timeout expired|^Client has encountered a connection error|not queryable/;

/** Of a table with a decimal of more than 18 digits. @see https://tableau.github.io/hyper-db/docs/hyper-api/hyper_process/ */
const WIDE_DECIMAL = /does not support 128-bit numerics/;
const WIDE_DECIMAL_ADVICE =
  " Decimals of more than 18 digits need a database of version 3: CREATE DATABASE … WITH VERSION 3";

/** Of a full disk, whose SQLSTATE is that of memory. */
const DISK_FULL = /growing the database file failed|could not grow file|No space left on device/i;

/** The statement that publishes. */
export const COMMIT = "COMMIT";

interface VendorError {
  readonly message: string;
  readonly code?: string;
  readonly detail?: string;
}

/** Maps a failure of a statement; unknown means terminal. */
export function statementError(error: unknown, statement: string): ProjectError {
  if (error instanceof ProjectError) return error;
  const { code, message, detail } = vendorError(error);
  if (isGone(error)) return unreachable(error, statement);
  const state = DISK_FULL.test(message) ? "53100" : (code ?? "");
  const found = BY_STATE.get(state) ?? BY_STATE.get(state.slice(0, 2));
  const { kind, advice } = found ?? { kind: StatementError, advice: "" };
  // The detail names the line and column, or the line of the input; the message has a picture of it at times.
  const where = detail === undefined || message.includes(detail.trim()) ? "" : ` (${detail.trim()})`;
  const mapped = new kind("Hyper refused a statement", statement, error);
  mapped.message += `${where}${WIDE_DECIMAL.test(message) ? WIDE_DECIMAL_ADVICE : advice}`;
  return mapped;
}

/** Maps a failure to connect. */
export function connectError(error: unknown, place: string): ProjectError {
  const { code, message } = vendorError(error);
  // insufficient_privilege, and the class of invalid authorizations
  if (code === "42501" || code?.startsWith("28") === true)
    return new AccessError(`${place} refused the user or password of HYPER_URL: ${message}`, { cause: error });
  // 58S01: Hyper's own, a database file that does not exist
  if (code === "58S01" || code === "3D000") {
    return new HyperConfigurationError(
      `${place}: ${message}. Make the file with CREATE DATABASE, or name another one in HYPER_URL`,
      { cause: error },
    );
  }
  return new UnreachableError(
    `${place} does not answer: ${message}. Is the server of HYPER_URL running, and reachable from here?`,
    { cause: error },
  );
}

/** Whether the connection is of no more use. */
export function isGone(error: unknown): boolean {
  const { code, message } = vendorError(error);
  return (code !== undefined && (GONE.has(code) || code.startsWith("08") || SOCKET.test(code))) || ENDED.test(message);
}

function unreachable(error: unknown, statement: string): ProjectError {
  return new UnreachableError(
    `the connection to Hyper ended in the middle of a statement: ${vendorError(error).message}; ${outcomeOf(statement)}`,
    { cause: error },
  );
}

/** What is published after a statement of which no answer came. */
export function outcomeOf(statement: string): string {
  if (statement !== COMMIT) return "nothing was published";
  return "it was the commit, so the ledger tells whether it was published, and a retry of the run looks there first";
}

function vendorError(error: unknown): VendorError {
  return error instanceof Error ? error : { message: String(error) };
}

/** The line of a statement that the engine complains of, counted from 1. */
export function tryGetLine(error: ProjectError): number | undefined {
  const { message, detail = "" } = vendorError(error.cause);
  const line = /\bline (\d+), column \d+/.exec(`${message}\n${detail}`)?.[1];
  return line === undefined ? undefined : Number(line);
}
