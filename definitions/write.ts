import type { Duration } from "./duration.ts";

/** How the rows of a run join those that are in the table. */
export interface Write<out N extends string = string> {
  readonly kind: "append" | "merge";
  /** The column whose greatest value says where the next run goes on; `null`: the body says it, or nobody. */
  readonly cursor: N | null;
  /** How far behind the cursor a run begins; `null`: right at it. */
  readonly lag: Duration | null;
}

/**
 * The rows of a run are added to the table, once. The cursor is where the next run goes on: it is committed with the
 * rows, so no row is lost or doubled, whenever a run is killed. A full refresh, by run configuration, makes the whole
 * table anew.
 *
 * @param options.cursor A column whose greatest value is the cursor: the SQL reads what is beyond, `WHERE at > {cursor}`.
 *   A row that arrives later with a value that is not beyond it is never seen: for such rows there is {@link merge} with
 *   a `lag`. Without a column, a `rows` body reads `cursor` and says `saveCursor(…)`.
 */
export function append<const N extends string = never>(options: { readonly cursor?: N } = {}): Write<N> {
  return { kind: "append", cursor: options.cursor ?? null, lag: null };
}

/**
 * The rows of a run replace those with the same `key`, and are added where there are none: to read a row twice does no
 * harm.
 *
 * @param options.cursor As for {@link append}.
 * @param options.lag How far behind the cursor a run begins, so that rows that arrive late are seen.
 */
export function merge<const N extends string = never>(
  options: { readonly cursor?: N; readonly lag?: Duration } = {},
): Write<N> {
  return { kind: "merge", cursor: options.cursor ?? null, lag: options.lag ?? null };
}
