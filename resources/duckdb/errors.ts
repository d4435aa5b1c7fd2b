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

/** The holder of a file, as DuckDB's message names it; `undefined` if the error is not about a lock. */
export function tryGetLockHolder(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : "";
  // DuckDB, src/common/local_file_system.cpp: "Could not set lock on file …: Conflicting lock is held in … (PID …)".
  if (!message.includes("Could not set lock on file")) return undefined;
  return /Conflicting lock is held in (.+?\(PID \d+\)(?: by user [^.\s]+)?)/.exec(message)?.[1] ?? "an unknown process";
}

/** Whether the engine had less memory than a statement needs. */
export function isOutOfMemory(error: unknown): boolean {
  // DuckDB, src/common/exception.cpp: ExceptionType::OUT_OF_MEMORY prints as "Out of Memory Error: …".
  return error instanceof Error && error.message.includes("Out of Memory Error");
}
