/** A number that its cell shows as a date or a time: days since the epoch of the workbook. */
export interface SerialCell {
  readonly serial: number;
}

/** A cell that has no value, and why: a formula that failed, or was never computed. */
export interface FaultyCell {
  readonly fault: string;
}

/** What stands in a cell; `null`: nothing. */
export type Cell = string | number | boolean | SerialCell | FaultyCell | null;

/** A row of cells, and where it stands in its source, counted from 1. */
export interface CellRow {
  readonly row: number;
  /** As many as the header has, or fewer: the others are empty. */
  readonly cells: readonly Cell[];
}

/** Rows of a source that has no types of its own. */
export interface CellTable {
  readonly header: readonly string[];
  readonly rows: Iterable<CellRow> | AsyncIterable<CellRow>;
  /** Where a cell stands, for people: `before`, the column as its source calls it, if it does, and the row. */
  readonly place: { readonly before: string; readonly columns: readonly string[] };
  /** Whether serials count from 1904. */
  readonly from1904: boolean;
  /** Whether numbers are numbers there, so that one that is written as text is to be told of. */
  readonly isTyped: boolean;
  /** What was skipped or filled in, for people; complete when all rows are read. */
  readonly notes: () => readonly string[];
}

/** How texts of a source write numbers, days and times. */
export interface TextForms {
  readonly decimal: "." | ",";
  readonly days: "YMD" | "DMY" | "MDY";
  /** Of times without an offset. */
  readonly timezone: string;
}

/** A header as it is compared: whatever its case, its white space and the form of its letters. */
export function plainHeader(text: string): string {
  return text.normalize("NFC").replaceAll(/\s+/g, " ").trim().toLowerCase();
}

/** White space of any kind, also what a copy from the web leaves. */
export function isBlank(text: string): boolean {
  return /^[\s\u200b\ufeff]*$/.test(text);
}
