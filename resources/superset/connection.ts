import { SupersetConfigError } from "./client/errors.ts";
import type { SupersetEnvironment } from "./settings.ts";

/** A store that Superset can read. */
export type SupersetStore = "postgres" | "clickhouse" | "hyper" | "duckdb";

/** How Superset is to connect to a store. */
export interface StoreConnection {
  /** With user and password, which Superset encrypts and shows to nobody. */
  readonly uri: string;
  /** Given to the driver as they are, and shown to whoever may see the database: no secrets. */
  readonly connectArgs: Readonly<Record<string, unknown>>;
  /** Texts that no message may hold. */
  readonly secrets: readonly string[];
}

const APPLICATION_NAME = "superset";
const CONNECT_TIMEOUT_SECONDS = 10;

/** The variable with the address of a store, and the one with the address that Superset is to use instead. */
const VARIABLES = {
  postgres: ["DATABASE_URL", "SUPERSET_POSTGRES_URL"],
  clickhouse: ["CLICKHOUSE_URL", "SUPERSET_CLICKHOUSE_URL"],
  hyper: ["HYPER_URL", "SUPERSET_HYPER_URL"],
} as const;

/**
 * Reads off the environment how Superset is to connect to a store: as the runtime does, or by another address, which is
 * that of a user who may only read, or the store's name in Superset's network.
 *
 * - `SUPERSET_POSTGRES_URL`, `SUPERSET_CLICKHOUSE_URL`, `SUPERSET_HYPER_URL`: in place of `DATABASE_URL` and so on.
 * - `DATABASE_STATEMENT_TIMEOUT_SECONDS`, `CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS`: limit of a query; 0: none. Default: 300.
 *
 * @param duckdbSnapshot The published file of DuckDB, as Superset sees it.
 * @throws SupersetConfigError
 */
export function storeConnection(
  store: SupersetStore,
  env: SupersetEnvironment,
  duckdbSnapshot: string,
): StoreConnection {
  if (store === "duckdb") return duckdb(env["SUPERSET_DUCKDB_PATH"] ?? duckdbSnapshot);
  const url = withPlainQuery(addressOf(store, env), store);
  const secrets = [url.password, decodeURIComponent(url.password)].filter((text) => text !== "");
  const connect = { postgres, clickhouse, hyper }[store];
  return { ...connect(url, env), secrets };
}

type Connect = (url: URL, env: SupersetEnvironment) => Omit<StoreConnection, "secrets">;

const TLS_OPTIONS = ["sslmode", "sslrootcert", "sslcert", "sslkey"] as const;

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS */
const postgres: Connect = (url, env) => {
  const tls = Object.fromEntries(TLS_OPTIONS.flatMap((name) => take(url, name)));
  const timeoutMs = timeoutSeconds(env, "DATABASE_STATEMENT_TIMEOUT_SECONDS") * 1000;
  const [timeout] = take(url, "connect_timeout");
  return {
    uri: withScheme(url, "postgresql+psycopg2"),
    connectArgs: {
      application_name: APPLICATION_NAME,
      connect_timeout: Number(timeout?.[1] ?? CONNECT_TIMEOUT_SECONDS),
      sslmode: isLoopback(url) ? "disable" : "require",
      ...tls,
      // In front of PgBouncer this is one option too many, unless it has `ignore_startup_parameters = options`.
      ...(timeoutMs === 0 ? {} : { options: `-c statement_timeout=${timeoutMs}` }),
    },
  };
};

/** @see https://clickhouse.com/docs/integrations/python */
const clickhouse: Connect = (url, env) => {
  const isSecure = url.protocol === "https:";
  const seconds = timeoutSeconds(env, "CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS");
  const authority = env["CLICKHOUSE_CA_FILE"];
  if (url.port === "") url.port = isSecure ? "8443" : "8123";
  return {
    uri: withScheme(url, "clickhousedb"),
    connectArgs: {
      client_name: APPLICATION_NAME,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      send_receive_timeout: seconds === 0 ? 86_400 : seconds,
      secure: isSecure,
      ...(authority === undefined ? {} : { ca_cert: authority }),
      // The prefix makes it a setting of the server.
      ...(seconds === 0 ? {} : { ch_max_execution_time: seconds }),
    },
  };
};

/** Hyper has no limit of its own on a statement. */
const hyper: Connect = (url) => ({
  uri: withScheme(url, "postgresql+hyper"),
  connectArgs: { application_name: APPLICATION_NAME, connect_timeout: CONNECT_TIMEOUT_SECONDS },
});

/** Without `read_only` a missing file would be made, and an open one could not be read. */
function duckdb(path: string): StoreConnection {
  return { uri: `duckdb:///${path}`, connectArgs: { read_only: true }, secrets: [] };
}

function addressOf(store: keyof typeof VARIABLES, env: SupersetEnvironment): URL {
  const [ours, theirs] = VARIABLES[store];
  const name = (env[theirs] ?? "") === "" ? ours : theirs;
  const text = env[name] ?? "";
  if (URL.canParse(text)) return new URL(text);
  throw new SupersetConfigError(
    `${name}: ${text === "" ? "is not set" : "is no URL (not shown: it may hold a password)"}, and Superset is to connect to it`,
  );
}

/** libpq also takes an account from the query of the URL, of which Superset hides nothing. */
function withPlainQuery(url: URL, store: SupersetStore): URL {
  for (const [name, field] of [
    ["user", "username"],
    ["password", "password"],
  ] as const) {
    const [given] = take(url, name);
    if (given !== undefined && url[field] === "") url[field] = encodeURIComponent(given[1]);
  }
  const secret = [...url.searchParams.keys()].find((name) => /pass|secret|token/i.test(name));
  if (secret === undefined) return url;
  throw new SupersetConfigError(
    `the address of ${store} has the option ${secret}, which Superset would show to everybody who may see the connection: ` +
      `name a connection that is there in SUPERSET_DATABASE_${store.toUpperCase()}`,
  );
}

/** In the form of SQLAlchemy, which decodes user and password but not the name of the database. */
function withScheme({ username, password, host, pathname, search }: URL, scheme: string): string {
  const account = username === "" ? "" : `${username}:${password}@`;
  return `${scheme}://${account}${host}${decodeURIComponent(pathname)}${search}`;
}

/** Takes an option out of the URL: none, or one pair of name and value. */
function take(url: URL, name: string): [string, string][] {
  const value = url.searchParams.get(name);
  url.searchParams.delete(name);
  return value === null ? [] : [[name, value]];
}

function isLoopback({ hostname }: URL): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|)$/.test(hostname);
}

function timeoutSeconds(env: SupersetEnvironment, name: string): number {
  const value = Number(env[name] ?? 300);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new SupersetConfigError(`${name}: expected seconds, got ${JSON.stringify(env[name])}`);
}
