import type { Log } from "../definitions/body.ts";
import type { Check } from "../definitions/check.ts";
import type { Statement } from "./render_sql.ts";
import type { QueryWindow } from "./store.ts";

/** What checks are held against, beside the rows. */
export interface CheckContext {
  readonly now: Date;
  /** What the SQL of checks takes for the window: of the run, or of all time partitions; `null` without. */
  readonly window: QueryWindow | null;
  /** The latest publishes that were made in the same way, the last one first. */
  readonly history: readonly EarlierPublish[];
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** A publish to compare with. */
export interface EarlierPublish {
  /** Of a run of partitions the rows of one, on the average. */
  readonly rowCount: number;
  /** The share of NULL, from 0 to 1, in each column for which it was recorded. */
  readonly nullShares: ReadonlyMap<string, number>;
}

/** What a check found on the rows. */
export interface CheckOutcome {
  readonly check: Check;
  readonly passed: boolean;
  /** Rows (groups of rows for `unique`) that break the rule; of a rule about all rows together 0 or 1. */
  readonly failedRows: bigint;
  /** Rows looked at. */
  readonly checkedRows: bigint;
  /** What was found and what it was held against, for people; `null` where the counts say it all. */
  readonly measured: string | null;
  /** Why it could not be run, which makes it a failed check; else `null`. */
  readonly error: string | null;
  /** What was counted. */
  readonly counts: BucketCounts;
  /** Some of the rows that break it. */
  readonly sample: Sample | null;
  /** The rows to be kept; `null` where the check keeps none. */
  readonly kept: Sample | null;
  /** The same counts by bucket; `null` without buckets, and for SQL, whose bad rows belong to none. */
  readonly buckets: ReadonlyMap<string, BucketCounts> | null;
}

/** What a check counted in one bucket, or in all. */
export interface BucketCounts {
  /** Rows that break the rule; for `null_rate_drift` those with a NULL. */
  readonly failedRows: bigint;
  readonly checkedRows: bigint;
  /** For `recent` the latest value, in seconds since 1970; else `null`. */
  readonly newest: number | null;
}

/** Runs a query and returns all of its rows; values as text. */
export interface TextReader {
  text(statement: Statement): Promise<Sample>;
  /** Runs queries that may fail, such that those after them can be run; absent where a failed one does no harm. */
  guard?<T>(act: () => Promise<T>): Promise<T>;
}

/** A row that failed a check, to be kept. */
export interface FailedRow {
  readonly checkName: string;
  /** The row as JSON text, its values as the store writes them. */
  readonly value: string;
}

/** A few rows, as text, for people. */
export interface Sample {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}
