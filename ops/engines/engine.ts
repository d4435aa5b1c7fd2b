/** The engines that can be started here. */
export type EngineName = "postgres" | "clickhouse" | "hyper" | "pgbouncer" | "redis" | "superset";

/** What every engine is told. */
export interface EngineOptions {
  /**
   * A folder of the engine's own: its data, password and log. Made when missing; what an earlier start left in it is
   * there again. One engine at a time can use it.
   */
  readonly dataDir: string;
  /** Port on 127.0.0.1; 0 for any free one. @default 0 */
  readonly port?: number;
}

/** Options of PostgreSQL. */
export interface PostgresOptions extends EngineOptions {
  /** Server settings, such as `{ max_connections: "200" }`. They win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Certificate and private key (PEM files) of a server that also takes TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /**
   * Whether a commit is on the disk when it returns. Without it starts and commits are quicker, and only a crash of
   * the machine, not of the engine, can lose data. @default true
   */
  readonly durable?: boolean;
  /** The database of the URL, made when missing. @default "warehouse" */
  readonly database?: string;
}

/** Options of ClickHouse. */
export interface ClickHouseOptions extends EngineOptions {
  /** How many queries run at once; more wait in line. @default 8 */
  readonly maxQueries?: number;
  /** A configuration file of ClickHouse, such as one that names a file of users with row policies: the engine makes none by SQL. */
  readonly configFile?: string;
}

/** Options of Hyper. */
export interface HyperOptions extends EngineOptions {
  /** Settings of `hyperd` in its own spelling, such as `{ "memory-limit": "4g" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Options of PgBouncer. */
export interface PgBouncerOptions extends EngineOptions {
  /** The PostgreSQL behind it, as in `DATABASE_URL`. */
  readonly target: string;
  /** Server connections per user and database. @default 4 */
  readonly poolSize?: number;
}

/** Options of Superset. */
export interface SupersetOptions extends EngineOptions {
  /** `redis://…` of its cache; the password in it stays in the environment of the process. @default files in the data folder */
  readonly redisUrl?: string;
}

/** The options of each engine. */
export interface EngineOptionsOf {
  readonly postgres: PostgresOptions;
  readonly clickhouse: ClickHouseOptions;
  readonly hyper: HyperOptions;
  readonly pgbouncer: PgBouncerOptions;
  readonly redis: EngineOptions;
  readonly superset: SupersetOptions;
}

/** An engine that answers. It ends with this process, however this process ends. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  /**
   * With user and password, in the form of the environment variable:
   * - postgres, pgbouncer: `DATABASE_URL`, `postgres://postgres:…@127.0.0.1:PORT/warehouse`
   * - clickhouse: `CLICKHOUSE_URL`, `http://default:…@127.0.0.1:PORT`
   * - hyper: `HYPER_URL`, `postgres://hyper:…@127.0.0.1:PORT//absolute/path/warehouse.hyper`; the database of Hyper is
   *   the full path of a file, so the path of the URL has two slashes. `pg` and libpq read it as it is.
   * - redis: `REDIS_URL`, `redis://:…@127.0.0.1:PORT/0`
   * - superset: `SUPERSET_URL`, `http://127.0.0.1:PORT`, without an account (see {@link LocalSuperset})
   */
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
  /** Resolves when it has ended, asked or not. */
  readonly ended: Promise<void>;
  /** Ends it and waits for that. The data stays. */
  readonly stop: () => Promise<void>;
}

/** A Superset that answers. */
export interface LocalSuperset extends Engine {
  /** Its administrator. The password is random, and stays in the data folder. */
  readonly username: string;
  readonly password: string;
  /** Whether this start made the data folder: the time to tell a person the password. */
  readonly isNew: boolean;
}
