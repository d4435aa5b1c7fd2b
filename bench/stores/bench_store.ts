import type { Store } from "../../resources/store.ts";

/** What is measured, on every store that has it. */
export const CASES = [
  "query, replace",
  "query, replace, rows as they are",
  "query, replace under a view",
  "query, partitions",
  "query, merge",
  "query, append",
  "copy",
  "rows",
] as const;
export type CaseName = (typeof CASES)[number];

/** A case on one store. */
export interface Case {
  /** At most so many times as long as by hand; `null`: only to look at. */
  readonly limit: number | null;
  /** Does what our side does, as a careful engineer would: into the table `by_hand`. All of it is timed. */
  readonly byHand: () => Promise<void>;
  /** The same with the server's own settings, where `byHand` has quicker ones; only to look at. */
  readonly untuned?: () => Promise<void>;
}

/** A store of the bench, its engine started, its source table filled. */
export interface BenchStore extends AsyncDisposable {
  /** Where the engine is, as the environment variable says it. */
  readonly url: string;
  /** Our side, over connections of its own. */
  readonly store: Store;
  readonly cases: Readonly<Partial<Record<CaseName, Case>>>;
  /** How much more often than asked each case runs: the shorter it is, the more of its time is the machine's noise. @default 1 */
  readonly roundsFactor?: number;
  /**
   * Makes a table hold the rows of the source and nothing hang on it, and has the server write to its disk what it
   * still held: whoever comes next starts from the same place.
   */
  reset(table: string, options: { readonly hasView: boolean }): Promise<void>;
  /** Opens the connections of the hand's side, so that opening them is not timed. */
  connect(): Promise<void>;
  /** Closes them: one process at a time may write a DuckDB file. */
  disconnect(): Promise<void>;
  /** Rows and sums of a table. */
  fingerprint(table: string): Promise<string>;
}
