import type { Sql } from "./sql.ts";

/**
 * How a table is laid out in a store, where its engine leaves a choice. Each store reads its own part and no other, so
 * that one asset can live in any of them. A change takes effect at the next publish that makes the table anew; until
 * then the run's log says what differs.
 */
export interface Storage<out N extends string = string> {
  readonly postgres?: PostgresTable<N> | undefined;
  readonly clickhouse?: ClickHouseTable<N> | undefined;
  readonly hyper?: HyperTable | undefined;
}

/** Stretches of time that a native partition of PostgreSQL covers. */
export const PARTITION_PERIODS = ["day", "week", "month", "year"] as const;
/** Methods of an index in PostgreSQL. */
export const INDEX_METHODS = ["btree", "brin", "hash", "gin", "gist"] as const;
/** See {@link ClickHouseTable.replacePartitions}. */
export const REPLACE_PARTITIONS = ["atOnce", "oneByOne"] as const;

/** The layout of a table or materialised view in PostgreSQL. */
export interface PostgresTable<out N extends string = string> {
  readonly indexes?: readonly PostgresIndex<N>[] | undefined;
  /** Native partitions by a time column: each publish makes those that its rows need. Not for a materialised view. */
  readonly partitionBy?: { readonly column: N; readonly every: (typeof PARTITION_PERIODS)[number] } | undefined;
}

/** An index in PostgreSQL: plain with one column, composite with several, covering with `include`, partial with `where`. */
export interface PostgresIndex<out N extends string = string> {
  /** In the order in which they are searched. */
  readonly columns: readonly N[];
  /** @default made of the table's and the columns' names, as PostgreSQL does */
  readonly name?: string | undefined;
  /** @default false */
  readonly unique?: boolean | undefined;
  /** Columns that the index carries along, so that a query on it need not read the table. */
  readonly include?: readonly N[] | undefined;
  /** The rows that the index holds: a condition without `${…}`, such as `` sql`revenue > 0` ``. @default all */
  readonly where?: Sql | undefined;
  /** @default "btree" */
  readonly method?: (typeof INDEX_METHODS)[number] | undefined;
}

/** The layout of a table in ClickHouse. Expressions are SQL without `${…}`. */
export interface ClickHouseTable<out N extends string = string> {
  /** The order of the rows in each part. @default the asset's `key`, as far as its columns are never null */
  readonly orderBy?: readonly N[] | undefined;
  /** The columns of the sparse index: the first ones of `orderBy`. @default all of them */
  readonly primaryKey?: readonly N[] | undefined;
  /** Such as `` sql`toYYYYMM(sold_at)` ``. @default one partition */
  readonly partitionBy?: Sql | undefined;
  /** When rows go, such as `` sql`sold_at + INTERVAL 2 YEAR` ``. @default never */
  readonly ttl?: Sql | undefined;
  readonly indexes?: readonly ClickHouseIndex[] | undefined;
  /** Column to its codecs, such as `"Delta, ZSTD(3)"`. @default LZ4 */
  readonly codecs?: { readonly [K in N]?: string } | undefined;
  /**
   * How a run of partitions replaces them. `atOnce`: readers see all of them change in one moment, for which the other
   * partitions are attached to a new table (hard links, no copy). `oneByOne`: each partition changes by itself, so that a
   * reader in between sees some new and some old ones. @default "atOnce"
   */
  readonly replacePartitions?: (typeof REPLACE_PARTITIONS)[number] | undefined;
}

/** A skipping index in ClickHouse: lets a query pass over granules that cannot match. */
export interface ClickHouseIndex {
  readonly name: string;
  /** What it is about: a column's name, or any expression. */
  readonly expression: Sql;
  /** Such as `"minmax"`, `"set(100)"` or `"bloom_filter(0.01)"`. */
  readonly type: string;
  /** Granules of the table to one of the index. @default 1 */
  readonly granularity?: number | undefined;
}

/** How a table changes in Hyper. */
export interface HyperTable {
  /**
   * Whether a publish whose columns are others than those of the table may interrupt readers, which Hyper cannot change a
   * table without: for an instant their statements fail, with SQLSTATE 40001 or 42P01.
   * @default false: such a publish is refused
   */
  readonly interruptReaders?: boolean | undefined;
}
