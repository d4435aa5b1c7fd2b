/** Where something stands in the project. */
export interface SourcePosition {
  /** Absolute path, or relative to the project once it is in a manifest. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
}

/** What can be wrong with a definition. */
export type FaultCode =
  | "bad_key"
  | "key_unlike_path"
  | "duplicate_key"
  | "bad_column"
  | "bad_column_type"
  | "unknown_column"
  | "duplicate_check"
  | "bad_option"
  | "unknown_reference"
  | "unknown_placeholder"
  | "missing_sql_file"
  | "bad_sql"
  | "contract_mismatch"
  | "undeclared_reference"
  | "cycle"
  | "import_failed"
  | "no_asset";

/** A mistake in a definition: recorded, never thrown, so that one bad file does not hide the others. */
export interface Fault {
  readonly code: FaultCode;
  /** The asset, as `schema/table`, where it is known. */
  readonly asset: string | null;
  readonly position: SourcePosition;
  /** What is wrong, what was expected, and what to do. */
  readonly message: string;
}
