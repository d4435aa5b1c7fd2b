import { ProjectError } from "../../definitions/project_error.ts";
import { StatementError } from "../errors.ts";

/** Another process kept the warehouse file open for longer than the limit. */
export class WarehouseLockedError extends ProjectError {
  readonly code = "warehouse_locked";
  readonly retryable = true;
}

/** A schema has the name of the warehouse file. */
export class AmbiguousSchemaError extends ProjectError {
  readonly code = "ambiguous_schema";
  readonly retryable = false;
}

/** The server that a copy reads from ended the connection, or answers not at the moment. */
export class SourceLostError extends StatementError {
  override readonly code = "connection_lost";
  override readonly retryable = true;
}

/** The warehouse file is none of DuckDB, is damaged, or of another version of DuckDB. */
export class WarehouseFileError extends ProjectError {
  readonly code = "bad_warehouse_file";
  readonly retryable = false;
}

/** The warehouse file, or a folder beside it, cannot be made or written. */
export class NotWritableError extends ProjectError {
  readonly code = "warehouse_not_writable";
  readonly retryable = false;
}

/** The disk of the warehouse, or of DuckDB's temporary files, is full. */
export class DiskFullError extends StatementError {
  override readonly code = "disk_full";
}

/** A value does not fit into its type. */
export class OutOfRangeError extends StatementError {
  override readonly code = "value_out_of_range";
}

const ADVICE = {
  disk: "The disk is full; the table is as it was. Make room, or name a file on another disk in DUCKDB_PATH",
  range:
    "A value does not fit into its type; the table is as it was. Use a wider type (int64, decimal), or leave the row out",
};

/** What a failed statement means. */
export function statementError(statement: string, error: unknown): StatementError {
  const message = error instanceof Error ? error.message : "";
  if (isFull(error)) return new DiskFullError(ADVICE.disk, statement, error);
  // DuckDB, src/common/exception.cpp: "Out of Range Error: Overflow in …", "Conversion Error: … out of range for the destination type".
  if (/^Out of Range Error|^Conversion Error: .*(out of range|Could not cast value .* to DECIMAL)/.test(message))
    return new OutOfRangeError(ADVICE.range, statement, error);
  return new StatementError("DuckDB refused a statement", statement, error);
}

/** What it means that a file, or a folder for one, could not be opened or made; other errors as they are. */
export function openError(path: string, error: unknown): unknown {
  const message = error instanceof Error ? error.message : "";
  const because = { cause: error };
  if (isFull(error)) return new DiskFullError(ADVICE.disk, "", error);
  if (message.includes("we can only read versions"))
    return new WarehouseFileError(
      `${path} was written by another version of DuckDB: ${message.split("\n")[0] ?? ""} ` +
        "Name another file in DUCKDB_PATH, or export it with the DuckDB that wrote it and import it here",
      because,
    );
  if (message.includes("Failure while replaying WAL file"))
    return new WarehouseFileError(
      `${path} cannot be opened: this DuckDB cannot read ${path}.wal, in which another program left its last changes. Keep a ` +
        "copy of both files; let the program, or a newer DuckDB, open the file once. Without the .wal file it opens, and " +
        `those changes are lost: run again what was published in them. ${message.split("\n")[0] ?? ""}`,
      because,
    );
  if (/not a valid DuckDB database|Corrupt database file|Could not read enough bytes|Is a directory/.test(message))
    return new WarehouseFileError(
      `${path} is no DuckDB file, or a damaged one; it was left as it is. Name another in DUCKDB_PATH, or put a backup in its place. ${message}`,
      because,
    );
  if (isErrno(error) || /Cannot open file|Permission denied|Read-only file system/.test(message))
    return new NotWritableError(
      `${path} cannot be made or written: ${message}. Let this user write its folder, or name another file in DUCKDB_PATH`,
      because,
    );
  return error;
}

function isFull(error: unknown): boolean {
  if (isErrno(error)) return ["ENOSPC", "EDQUOT", "EFBIG"].includes(error.code);
  return error instanceof Error && /No space left on device|Disk quota exceeded|File too large/.test(error.message);
}

function isErrno(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

/** The holder of a file, as DuckDB's message names it; `undefined` if the error is not about a lock. */
export function tryGetLockHolder(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : "";
  // DuckDB, src/common/local_file_system.cpp: "Could not set lock on file …: Conflicting lock is held in … (PID …)".
  if (!message.includes("Could not set lock on file")) return undefined;
  return /Conflicting lock is held in (.+?\(PID \d+\)(?: by user [^.\s]+)?)/.exec(message)?.[1] ?? "an unknown process";
}

/** Whether the engine has given up the whole file, as after a commit that it could not write. */
export function isFatal(error: unknown): boolean {
  // DuckDB, src/common/exception.cpp: ExceptionType::FATAL.
  return error instanceof Error && error.message.startsWith("FATAL Error");
}

/** Whether the engine had less memory than a statement needs. */
export function isOutOfMemory(error: unknown): boolean {
  // DuckDB, src/common/exception.cpp: ExceptionType::OUT_OF_MEMORY prints as "Out of Memory Error: …".
  return error instanceof Error && error.message.includes("Out of Memory Error");
}
