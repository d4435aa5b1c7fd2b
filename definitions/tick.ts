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
  /** Counts the rows of a table that arrived since a time, in the store; `null` without the table. */
  readonly arrivals: (table: TableRef | PostgresSource, query: ArrivalsQuery) => Promise<Arrivals | null>;
  /**
   * The latest publish of each partition of an asset that has one, by its key; of an asset without partitions, `keys` is
   * `null` and the key `""`.
   */
  readonly lastPublishes: (
    asset: TableRef,
    keys: readonly string[] | null,
  ) => Promise<ReadonlyMap<string, LastPublish>>;
}

/** Which rows {@link TickContext.arrivals} counts, and how. */
export interface ArrivalsQuery {
  /** Column of the time that a row is about: a timestamp or a day. */
  readonly time: string;
  /** Column of the time at which a row came. */
  readonly arrived: string;
  /** Rows are counted apart by stretches of so many seconds of their time, counted from 1970 in UTC. */
  readonly seconds: number;
  /** Rows that arrived before it are not counted, an instant as ISO text with microseconds; `null`: all are. */
  readonly from: string | null;
  /** The rows that arrived this long before the newest one, and later, are counted apart too. */
  readonly lagMs: number;
  /** A newest row after it counts as of then: its clock is wrong. */
  readonly notAfter: Date;
}

/** What {@link TickContext.arrivals} found. Instants are ISO texts with microseconds. */
export interface Arrivals {
  /** By the clock of this machine, after the rows were read: a run that begins later reads them too. */
  readonly readAt: string;
  /** When the newest row arrived; `null` without rows. */
  readonly newest: string | null;
  /** Since when rows are counted as kept; never before `from`. */
  readonly keptFrom: string | null;
  /** No row arrived since `from` any more: all rows were counted instead. */
  readonly wentBack: boolean;
  /** Whether the time of a row is a day, whose midnight counts in UTC. */
  readonly isDay: boolean;
  readonly groups: readonly {
    /** Of the stretch, in seconds since 1970; `null`: rows without a time. */
    readonly start: number | null;
    readonly rowCount: number;
    /** Those of them that arrived since `keptFrom`. */
    readonly keptCount: number;
    /** When the newest of them arrived. */
    readonly latest: string;
  }[];
}

/** A publish, as the ledger has it. Instants are ISO texts with microseconds. */
export interface LastPublish {
  readonly runId: string;
  /** When the run began, before it read anything. */
  readonly startedAt: string;
  readonly publishedAt: string;
}

/** Partitions from one to another, both included. */
export interface PartitionRange {
  readonly start: string;
  readonly end: string;
}

/** A run to launch. With partitioned assets one of the three `partition…`; without, none. Of two dimensions `TIME|KEY`. */
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
