import { ProjectError } from "../../definitions/project_error.ts";

/** A workbook, a CSV file or an answer that cannot be read as it is declared: nothing is compared then. */
export class UnreadableSourceError extends ProjectError {
  readonly code: string = "unreadable_source";
  readonly retryable: boolean = false;
}

/** There is a password on the workbook. */
export class EncryptedWorkbookError extends UnreadableSourceError {
  override readonly code = "encrypted_workbook";
}

/** The file is no workbook, or a damaged one. */
export class CorruptWorkbookError extends UnreadableSourceError {
  override readonly code = "corrupt_workbook";
}

/** The sheet, table, name, range or column that is declared is not in the source. */
export class MissingPartError extends UnreadableSourceError {
  override readonly code = "missing_part";
}

/** There is no row to compare. */
export class EmptySourceError extends UnreadableSourceError {
  override readonly code = "empty_source";
}
