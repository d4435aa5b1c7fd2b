import type { ParquetSource } from "../definitions/body.ts";
import type { ColumnType } from "../definitions/column_type.ts";
import type { SourceColumn } from "./store_sources.ts";

/** What a store copies in bulk, by itself: no row becomes a JavaScript object. */
export type BulkSource = ParquetSource | PostgresTableSource;

/** A table of a PostgreSQL server, for a store that reads it by itself. */
export interface PostgresTableSource {
  readonly format: "postgres";
  /** Its columns. @throws ProjectError by its cause */
  columns(request: Pick<ReadRequest, "assetKey" | "runId" | "signal" | "log">): Promise<readonly SourceColumn[]>;
  /**
   * Makes ready to read: the server answers, the table has the columns, and a replica has all that was committed.
   *
   * @throws ProjectError by its cause
   */
  open(request: ReadRequest): Promise<PostgresReader>;
}

/** What a store wants to read of a PostgreSQL table. */
export interface ReadRequest {
  /** The asset that is being computed: the server shows it. */
  readonly assetKey: string;
  readonly runId: string;
  readonly columns: readonly ReadColumn[];
  /** The instants and days that the reading store can hold; PostgreSQL refuses to send others. */
  readonly limits: ReadLimits;
  /** Whether instants come without a zone, in UTC. @default false */
  readonly hasInstantsWithoutZone?: boolean;
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
}

/** A column to read: cast to the type by PostgreSQL, strictly. */
export interface ReadColumn {
  readonly name: string;
  /** `null`: there is none, so it is NULL. */
  readonly source: string | null;
  readonly type: ColumnType;
}

/** Instants and days from `first` to before `end`, as PostgreSQL writes days. */
export interface ReadLimits {
  readonly first: string;
  readonly end: string;
  readonly allowsInfinity: boolean;
}

/** A PostgreSQL table that is ready to be read. */
export interface PostgresReader {
  /** Server and database, for people: no user, no password. */
  readonly place: string;
  /** The one statement that reads the table: the requested columns in their order, under their names. */
  readonly query: string;
  /** For engines that connect by themselves. */
  readonly server: PostgresServer;
  /** The rows in a format of COPY, as the server sends them; NULL is `\N`, an empty text is none. CSV is for `readCsv`. */
  rows(format: "text" | "csv"): AsyncGenerator<Uint8Array>;
  /** Ends the statement of a connection of another engine, which it names by its `pg_backend_pid()`. */
  cancel(processId: string): Promise<void>;
}

/** How an engine connects to PostgreSQL by itself. Holds the password: never to be logged, nor a part of an error's message. */
export interface PostgresServer {
  /** With the options of libpq. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** As libpq calls it: `disable`, `require`, `verify-ca` or `verify-full`. */
  readonly sslmode: string;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
}
