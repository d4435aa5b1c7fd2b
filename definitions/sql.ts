/** A table to read: an asset, or an asset's handle in another file. */
export interface TableRef {
  readonly kind: "table";
  /** `schema/table`. */
  readonly assetKey: string;
}

/** A column to read; the compiler checks its name, and an editor's rename follows it. */
export interface ColumnRef {
  readonly kind: "column";
  readonly assetKey: string;
  readonly column: string;
}

/** A value that the run supplies, bound as a parameter. */
export interface WindowBound {
  readonly kind: "window";
  readonly bound: "start" | "end";
}

/** The keys of the run's partitions, bound as a list of values: `IN ${keys}`. */
export interface KeysBound {
  readonly kind: "keys";
}

/** Where the last publish ended, bound as a value of the cursor's column; on the first run its least value. */
export interface CursorBound {
  readonly kind: "cursor";
}

/** The staged rows that a check reads. */
export interface SelfRef {
  readonly kind: "self";
}

/** What may stand between the braces of a {@link sql} template. Plain values become bound parameters. */
export type SqlValue =
  | TableRef
  | ColumnRef
  | WindowBound
  | KeysBound
  | CursorBound
  | SelfRef
  | Sql
  | string
  | number
  | bigint
  | boolean
  | Date
  | null;

/** SQL text with its references and values kept apart from it, so that no value is ever pasted into the text. */
export interface Sql {
  readonly kind: "sql";
  readonly strings: readonly string[];
  readonly values: readonly SqlValue[];
}

/**
 * SQL with typed references: `` sql`SELECT ${events.c.user_id} FROM ${events}` ``.
 * Assets become quoted table names, columns quoted names, all other values bound parameters.
 */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlValue[]): Sql {
  return { kind: "sql", strings: [...strings], values };
}

/** The window that a run of a partitioned asset covers: `start` included, `end` not. Bound as timestamps. */
export const window: { readonly start: WindowBound; readonly end: WindowBound } = {
  start: { kind: "window", bound: "start" },
  end: { kind: "window", bound: "end" },
};

/** The keys that a run of static or dynamic partitions covers, as a list: `` sql`… WHERE store_id IN ${keys}` ``. */
export const keys: KeysBound = { kind: "keys" };

/** In the SQL of an asset with `append({ cursor })` or `merge({ cursor })`: rows beyond it are new. */
export const cursor: CursorBound = { kind: "cursor" };

/** In the SQL of a check: the rows that are about to be published. */
export const self: SelfRef = { kind: "self" };
