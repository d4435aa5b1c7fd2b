import type { RecordBatch, Table } from "apache-arrow";
import type { Diff } from "./diff.ts";
import type { Duration } from "./duration.ts";
import type { Sql, TableRef } from "./sql.ts";
import type { Validation } from "./validation.ts";

/** The stretch of time that a run covers: `start` included, `end` not. */
export interface TimeWindow {
  readonly start: Date;
  readonly end: Date;
}

/** Writes to the run's log in Dagster; without Dagster, to standard error. */
export interface Log {
  readonly debug: (message: string) => void;
  readonly info: (message: string) => void;
  readonly warning: (message: string) => void;
  readonly error: (message: string) => void;
}

/** What a body is given. */
export interface BodyContext {
  /** Aborted when the run is terminated: hand it to `fetch` and to whatever else waits. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** The partitions to compute, as Dagster names them; `null` without partitions. */
  readonly partitionKeys: readonly string[] | null;
  /** The window of the partitions to compute; `null` without time partitions. */
  readonly window: TimeWindow | null;
  /** The keys of the partitions to compute, values of their column; `null` without static or dynamic keys. */
  readonly keys: readonly string[] | null;
}

/** What a `rows` body is given; `R` is a row before validation. */
export interface RowsContext<R> extends BodyContext {
  /**
   * Where the last publish ended: with `write: append({ cursor })` or `merge({ cursor })` the greatest value of that
   * column, less the lag, an instant as ISO text; else what {@link saveCursor} was told. `null` on the first run and on a
   * full refresh.
   */
  readonly cursor: string | null;
  /** Says where the next run goes on. Committed with the rows of this one. */
  readonly saveCursor: (cursor: string) => void;
  /** Types a row where it is written, so that a mistake shows on its property. Returns the row as it is. */
  readonly row: (row: R) => R;
}

/** What a `task` body may return. */
export interface TaskResult {
  /** Shown in Dagster beside the materialization. Text that starts with a protocol and `//` shows as a link. */
  readonly metadata?: Readonly<Record<string, string | number | bigint | boolean>> | undefined;
  /** Changes when the outcome did; `undefined`: every run counts as a change. */
  readonly dataVersion?: string | undefined;
}

/** SQL in a file: the store does the work. */
export interface Query {
  readonly kind: "query";
  /** Path below `sql/`. */
  readonly file: string;
  /** Placeholder to table: `{raw_events}` in the file is `refs.raw_events`. */
  readonly refs: Readonly<Record<string, TableRef>>;
}

/** A query whose result the store keeps and refreshes. */
export interface MaterializedView {
  readonly kind: "materialized_view";
  readonly query: Query | Sql;
  /** `full`: each run computes all rows anew. `incremental`: see {@link materializedView}. */
  readonly refresh: "full" | "incremental";
}

/** A Parquet file to read. */
export interface ParquetSource {
  readonly format: "parquet";
  /** Path, relative to the project. */
  readonly path: string;
}

/** A table of a PostgreSQL database that no asset makes. */
export interface PostgresSource {
  readonly format: "postgres";
  readonly schema: string;
  readonly table: string;
  /** The environment variable that holds the URL of the database. */
  readonly url: string;
}

/** What {@link copy} reads: a file, a table elsewhere, or an asset in any store. */
export type CopySource = ParquetSource | PostgresSource | TableRef;

/** The store reads the source by itself; no row becomes a JavaScript object. */
export interface Copy<out N extends string = string> {
  readonly kind: "copy";
  readonly source: CopySource;
  /** Column of the asset to column of the source, where the names differ. */
  readonly columns: readonly { readonly target: N; readonly source: string }[];
  /** Columns of the source that are not for the asset; `"others"`: all that it does not declare. */
  readonly ignore: readonly string[] | "others";
}

/** Cold partitions of another asset in Parquet files, and a view over them and its table. */
export interface Archive {
  readonly kind: "archive";
  readonly source: TableRef;
  readonly olderThan: Duration;
  /** A folder, relative to the project, or `s3://bucket/prefix`. */
  readonly to: string;
}

/** A generator of rows, pages of rows, or Arrow batches: validated, bad rows quarantined. */
export interface Rows<R> {
  /** Assets that the body reads. */
  readonly deps?: readonly TableRef[] | undefined;
  readonly rows: (context: RowsContext<R>) => AsyncIterable<R | readonly R[] | RecordBatch | Table>;
}

/** Anything that has no table of its own: a validation, a notification, a call to another system. */
export interface Task {
  /** Assets that the body follows. */
  readonly deps?: readonly TableRef[] | undefined;
  readonly task: (context: BodyContext) => Promise<TaskResult | undefined> | Promise<void>;
}

/** The ways to compute an asset. */
export type Body<N extends string, R> =
  Query | Sql | MaterializedView | Copy<N> | Archive | Diff | Validation | Rows<R> | Task;

/**
 * The asset is the result of a SQL file.
 *
 * @param file Path below `sql/`, such as `"retail/cleaned_events.sql"`.
 * @param refs The assets that the SQL reads: `{ raw_events }` gives `{raw_events}` in the file its table.
 */
export function query(file: string, refs: Readonly<Record<string, TableRef>> = {}): Query {
  return { kind: "query", file, refs };
}

/**
 * The asset is a materialised view, in each store's own way. A run refreshes it, checks the new rows, and only then lets
 * readers see them.
 *
 * - PostgreSQL: a materialised view, refreshed concurrently; `key` names the columns of its unique index.
 * - ClickHouse: a refreshable view. With `refresh: "incremental"` a view that adds the rows of every insert as they
 *   arrive, into an AggregatingMergeTree where the query yields states (`sumState(…)`), else into a SummingMergeTree; the
 *   table that people read puts the parts together by `key`. Nothing can stop a row that has already arrived: checks that
 *   block are a fault of such an asset.
 * - DuckDB and Hyper: a table made of the query. With partitions and `refresh: "incremental"`, a run of partitions
 *   computes those only; the SQL reads the window.
 *
 * @param options.refresh Default: `"full"`.
 */
export function materializedView(
  of: Query | Sql,
  options: { readonly refresh?: "full" | "incremental" } = {},
): MaterializedView {
  return { kind: "materialized_view", query: of, refresh: options.refresh ?? "full" };
}

/** A Parquet file as the source of {@link copy}. */
export function parquet(path: string): ParquetSource {
  return { format: "parquet", path };
}

/**
 * A table of a PostgreSQL database as the source of {@link copy}.
 *
 * @param table `"schema.table"`.
 * @param options.url The environment variable that holds the URL of the database. Default: `"DATABASE_URL"`.
 */
export function postgresTable(table: string, options: { readonly url?: string } = {}): PostgresSource {
  const [schema = "", ...rest] = table.split(".");
  // All of the rest, so that a name with too many parts is seen to be none.
  const name = rest.join(".");
  return { format: "postgres", schema, table: name, url: options.url ?? "DATABASE_URL" };
}

/**
 * The asset is a copy of a source that the store reads by itself. Values are cast to the columns' types, strictly: a
 * value that does not fit fails the asset; a DOUBLE becomes a DECIMAL by rounding half away from zero.
 *
 * @param source A file, a table of a database, or an asset in any store: `copy(transactions)`.
 * @param options.columns Column of the asset to column of the source, where the names differ.
 * @param options.ignore Columns of a file or a table that are not for the asset, or `"others"`: all that it does not
 *   declare. Without it, they break the contract. Of another asset's columns those that are declared here are taken.
 */
export function copy(source: CopySource, options?: { readonly ignore?: Copy["ignore"] }): Copy<never>;
export function copy<const N extends string>(
  source: CopySource,
  options: { readonly columns: { readonly [K in N]: string }; readonly ignore?: Copy["ignore"] },
): Copy<N>;
export function copy<const N extends string>(
  source: CopySource,
  options: { readonly columns?: { readonly [K in N]: string }; readonly ignore?: Copy["ignore"] } = {},
): Copy<N> {
  const columns = Object.entries<string>(options.columns ?? {}).map(([target, from]) => ({
    target: target as N,
    source: from,
  }));
  return { kind: "copy", source, columns, ignore: options.ignore ?? [] };
}

/**
 * The asset is a view over all rows of another asset, the cold ones of which are in Parquet files. Each run moves whole
 * partitions that ended long enough ago out of the table, a file for each; readers of the view see every row exactly once
 * at every moment. The columns are those of the other asset: `columns: raw_events.columns`.
 *
 * A run that would write an archived partition of the other asset is refused. In the Launchpad `restore:
 * ["2017-01-01...2017-01-31"]` takes partitions back into the table, where they stay for a day at least.
 *
 * @param source An asset with time partitions, in the same store.
 * @param options.olderThan How long ago a partition ended when it is moved.
 * @param options.to A folder, relative to the project, or `s3://bucket/prefix`.
 */
export function archive(source: TableRef, options: { readonly olderThan: Duration; readonly to: string }): Archive {
  return { kind: "archive", source, olderThan: options.olderThan, to: options.to };
}
