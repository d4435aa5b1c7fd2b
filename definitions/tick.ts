import type { Log, PostgresSource } from "./body.ts";
import type { TableRef } from "./sql.ts";

/** What every evaluation of a sensor or a schedule is given. */
export interface TickContext {
  /** Aborted when the time limit has passed: hand it to `fetch` and to whatever else waits. */
  readonly signal: AbortSignal;
  /** Writes to the log of the tick in Dagster. */
  readonly log: Log;
  /** The time of the tick. */
  readonly now: Date;
  /** The folder of the project, with which relative paths start. */
  readonly projectDir: string;
  /**
   * The highest value of a column of an asset's table, or of a table of PostgreSQL, as text; `null` without rows and
   * without the table. Timestamps are in UTC.
   */
  readonly maxOf: (table: TableRef | PostgresSource, column: string) => Promise<string | null>;
}

/** Partitions from one to another, both included. */
export interface PartitionRange {
  readonly start: string;
  readonly end: string;
}

/** A run to launch. With partitioned assets one of the three `partition…`; without, none. */
export interface RunRequest {
  /** A run is launched once for each key of a sensor, however often it is asked for. Without one: every time. */
  readonly runKey?: string | undefined;
  /** Some of the assets of the sensor or schedule. @default all of them */
  readonly assets?: readonly TableRef[] | undefined;
  readonly partitionKey?: string | undefined;
  /** Partitions that need not follow each other: one run for each stretch of those that do. */
  readonly partitionKeys?: readonly string[] | undefined;
  readonly partitionRange?: PartitionRange | undefined;
  /** Beside those of the sensor or schedule. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** As the Launchpad takes it. */
  readonly runConfig?: Readonly<Record<string, unknown>> | undefined;
}

/** Keys of a list of dynamic partitions. */
export interface PartitionKeys {
  /** Dagster's name of the list, as in `dynamicKeys(column, list)`. */
  readonly list: string;
  readonly keys: readonly string[];
}

/** A materialization of an asset that a sensor watches. */
export interface Materialization {
  /** `schema/table`. */
  readonly asset: string;
  /** `null` without partitions. */
  readonly partition: string | null;
  readonly dataVersion: string | null;
  /** Whether the data version is another than the one before; true where there is none to compare. */
  readonly changed: boolean;
  readonly runId: string;
  readonly at: Date;
}
