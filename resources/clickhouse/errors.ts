import { ClickHouseError } from "@clickhouse/client";
import { ProjectError } from "../../definitions/project_error.ts";
import { StatementError } from "../errors.ts";

/** A statement failed. The text and the parameters do not show when the error is printed. */
export class ClickHouseStatementError extends StatementError {
  /** ClickHouse's own number of the error; `null` when no server answered. */
  readonly exceptionCode: number | null;

  constructor(message: string, statement: string, exceptionCode: number | null, cause: unknown) {
    super("ClickHouse", statement, cause, message);
    this.exceptionCode = exceptionCode;
  }
}

/** A statement names a table or a database that does not exist. */
export class UndefinedRelationError extends ClickHouseStatementError {
  override readonly code = "undefined_relation";
}

/** The server does not answer, or the connection broke. */
export class UnreachableError extends ClickHouseStatementError {
  override readonly code = "unreachable";
  override readonly retryable = true;
}

/** User or password are wrong, or the user may not do this. */
export class AccessError extends ClickHouseStatementError {
  override readonly code = "access_denied";
}

/** The statement ran longer than it may: the next time it would, too. */
export class StatementTimeoutError extends ClickHouseStatementError {
  override readonly code = "statement_timeout";
}

/** The server is short of something that it may have again soon: memory, query slots, threads, a quorum. */
export class OverloadError extends ClickHouseStatementError {
  override readonly code = "overload";
  override readonly retryable = true;
}

/** No space is left where the server keeps its data. */
export class DiskFullError extends ClickHouseStatementError {
  override readonly code = "disk_full";
}

/** A file to copy cannot be read, or is not what it should be. */
export class SourceError extends ProjectError {
  readonly code = "bad_source";
  readonly retryable = false;
}

/** Another publish of the same table took longer than the limit. */
export class TableLockedError extends ProjectError {
  readonly code = "table_locked";
  readonly retryable = true;
}

/** The lock of a publish is another's by now. */
export class LockLostError extends ProjectError {
  readonly code = "lock_lost";
  readonly retryable = true;
}

/** People have changed rows by lightweight UPDATE, which is not in the files yet that a publish links. */
export class UnappliedUpdatesError extends ProjectError {
  readonly code = "unapplied_updates";
  readonly retryable = false;

  constructor(table: string, cause: unknown) {
    super(
      `${table} holds lightweight updates that are not in its rows yet, and would be lost with a copy of its files. ` +
        `Nothing was published: run ALTER TABLE ${table} APPLY PATCHES, and then this again`,
      { cause },
    );
  }
}

/** The server has not put into a table yet what people changed by ALTER TABLE … DELETE or UPDATE. */
export class UnfinishedMutationError extends ProjectError {
  readonly code = "unfinished_mutation";
  readonly retryable = true;
}

/** People altered a table again and again while another was made to take its place. */
export class TableChangedError extends ProjectError {
  readonly code = "table_changed";
  readonly retryable = true;
}

/** The user does not see all rows of a table of which it has to copy some. */
export class HiddenRowsError extends ProjectError {
  readonly code = "access_denied";
  readonly retryable = false;
}

/** Inserts follow each other so closely that a view cannot tell which of them it got. */
export class BusySourceError extends ProjectError {
  readonly code = "source_busy";
  readonly retryable = true;
}

/** A run of the same asset made the view anew meanwhile. */
export class ViewReplacedError extends ProjectError {
  readonly code = "view_replaced";
  readonly retryable = true;
}

/** @see https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
export const EXCEPTION = {
  UNKNOWN_TABLE: 60,
  TABLE_ALREADY_EXISTS: 57,
  UNKNOWN_DATABASE: 81,
  SUPPORT_IS_DISABLED: 344,
  FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: 395,
  REFRESH_FAILED: 730,
} as const;

type Child = new (
  message: string,
  statement: string,
  exceptionCode: number | null,
  cause: unknown,
) => ClickHouseStatementError;

/** What is in no list is terminal. */
const CLASSES: readonly (readonly [child: Child, advice: string, codes: readonly number[]])[] = [
  // UNKNOWN_TABLE, UNKNOWN_DATABASE, CANNOT_GET_CREATE_TABLE_QUERY
  [UndefinedRelationError, "", [60, 81, 390]],
  // READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED, DATABASE_ACCESS_DENIED,
  // ACCESS_DENIED, AUTHENTICATION_FAILED
  [AccessError, " Look at user and password in CLICKHOUSE_URL, and at the user's grants", [164, 192, 193, 194, 195, 291, 497, 516]], // prettier-ignore
  // TIMEOUT_EXCEEDED, TOO_SLOW
  [StatementTimeoutError, " Raise CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS, or make it read less", [159, 160]],
  // TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY (its Keeper is away), NO_ZOOKEEPER,
  // TOO_MANY_PARTS, TOO_FEW_LIVE_REPLICAS, UNKNOWN_STATUS_OF_INSERT, CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED, KEEPER_EXCEPTION,
  // CANNOT_ALLOCATE_MEMORY, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, CANNOT_ASSIGN_ALTER, SERVER_OVERLOADED
  [OverloadError, "", [202, 241, 242, 225, 252, 285, 319, 439, 473, 999, 173, 286, 517, 745]],
  // ABORTED, QUERY_WAS_CANCELLED: a server that stops says so of all that it runs
  [UnreachableError, " The server stops, or somebody ended it by KILL QUERY", [236, 394]],
  // SOCKET_TIMEOUT, NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED
  [UnreachableError, "", [209, 210, 279]],
  // NOT_ENOUGH_SPACE
  [DiskFullError, " Free space on the server's disk", [243]],
];

/**
 * Maps what `system.view_refreshes` says of the last refresh of a view.
 *
 * @param exception Such as `Code: 159. DB::Exception: Timeout exceeded…, Stack trace…`.
 */
export function toRefreshError(exception: string, statement: string, cause: unknown): ClickHouseStatementError {
  const [, code, what] = /^Code: (\d+)\. DB::Exception: (.*?)(?:, Stack trace|$)/s.exec(exception) ?? [];
  return ofCode(Number(code ?? EXCEPTION.REFRESH_FAILED), what ?? exception, statement, cause);
}

function ofCode(code: number, what: string, statement: string, cause: unknown): ClickHouseStatementError {
  const found = CLASSES.find(([, , codes]) => codes.includes(code));
  const full = /No space left on device/.test(what);
  const [child, advice] = full ? ([DiskFullError, ""] as const) : (found ?? ([ClickHouseStatementError, ""] as const));
  return new child(`ClickHouse refused a statement (${code}): ${what}${advice}`, statement, code, cause);
}

/** The way to the server is broken. */
const WAY_FAULTS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);
/** What Node and the driver say without a code. */
const WAY_MESSAGE = /socket hang up|^Timeout error|request timed? ?out|^aborted$/i;

/**
 * Maps whatever the driver threw. What is neither the server's nor a known fault of the way to it is terminal.
 *
 * @param server Of it only the host is shown.
 */
export function toStatementError(error: unknown, statement: string, server?: URL): ClickHouseStatementError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ClickHouseError) {
    const code = Number(error.code);
    const what = message.replace(/^Code: \d+\.\s*/, "");
    return ofCode(code, what, statement, error);
  }
  // An error that several addresses gave has no message of its own.
  const code = codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined);
  const reason = message || (code ?? "no reason given");
  const at = server === undefined ? "" : ` at ${server.host}`;
  if ((code !== undefined && WAY_FAULTS.has(code)) || WAY_MESSAGE.test(message)) {
    const advice = "Is it running, and is CLICKHOUSE_URL right?";
    return new UnreachableError(`ClickHouse${at} does not answer: ${reason}. ${advice}`, statement, null, error);
  }
  const what = `A statement could not be sent to ClickHouse${at} (CLICKHOUSE_URL), or its answer not be read`;
  return new ClickHouseStatementError(`${what}: ${reason}`, statement, null, error);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
