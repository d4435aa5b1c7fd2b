import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { ClientConfig } from "pg";
import type { Environment } from "../store.ts";
import { PostgresConfigError } from "./errors.ts";

/** Where the server is, and how long to wait for it. */
export interface PostgresConfig {
  /** The environment variable that names the server, for people. */
  readonly variable: string;
  /** For the driver; holds the password. */
  readonly connection: ClientConfig;
  /** As it was given, for engines that connect by libpq; `sslmode` is always there. Holds the password. */
  readonly url: string;
  /** Host, port and database, for people: without user and password. */
  readonly place: string;
  /** After which the server ends a statement; 0: never. */
  readonly statementTimeoutMs: number;
  /** How long to wait for a lock on a table. */
  readonly lockTimeoutMs: number;
  /** The server that tables are read from in bulk, where it is another one. */
  readonly replica: PostgresConfig | null;
  /** How long to wait until the replica has what was committed. */
  readonly replicaTimeoutMs: number;
}

/** Without a word for so long, each side asks whether the other one is there. */
const KEEP_ALIVE_MS = 60_000;
const REPLICA = "DATABASE_REPLICA_URL";
const DEFAULT_CONNECT_TIMEOUT_SECONDS = "10";
const DEFAULT_TIMEOUT_SECONDS = "300";
const DEFAULT_REPLICA_TIMEOUT_SECONDS = "60";

/**
 * Reads the configuration off the environment.
 *
 * - `DATABASE_URL`: `postgres://user:password@host:port/database`. Of the options of libpq it takes `connect_timeout`
 *   (seconds, default 10), `sslmode`, `sslrootcert`, `sslcert`, `sslkey` and `host` (a folder with a Unix socket).
 *   `sslmode` means what it means to libpq: `disable` (default), `require` (encrypted, certificate not verified),
 *   `verify-ca` (verified against `sslrootcert`), `verify-full` (and the host's name too).
 * - `DATABASE_STATEMENT_TIMEOUT_SECONDS`: after which the server ends a statement. Default: 300; 0: never.
 * - `DATABASE_LOCK_TIMEOUT_SECONDS`: how long to wait for a lock. Default: 300.
 * - `DATABASE_REPLICA_URL`: a streaming replica of that server, with the same options. Tables are copied from it, once it
 *   has replayed all that was committed.
 * - `DATABASE_REPLICA_TIMEOUT_SECONDS`: how long to wait for that. Default: 60.
 *
 * @param variable Another variable that holds such a URL. Default: `DATABASE_URL`.
 * @throws PostgresConfigError
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function postgresConfig(env: Environment, variable = "DATABASE_URL"): PostgresConfig {
  const url = tryParse(env[variable] ?? "");
  if (url === undefined) {
    throw new PostgresConfigError(
      `${variable}: expected postgres://user:password@host:port/database, with special characters in the password ` +
        `percent-encoded; got ${env[variable] === undefined ? "none" : "something else, not shown here as it may hold a password"}`,
    );
  }
  for (const name of ["ssl", "sslnegotiation"]) {
    if (!url.searchParams.has(name)) continue;
    // To the driver either wins over the mode, also over verify-full.
    throw new PostgresConfigError(
      `${name} in ${variable}: say by sslmode alone how the connection is encrypted, such as sslmode=verify-full`,
    );
  }
  const given = new URL(url);
  if (!given.searchParams.has("sslmode")) given.searchParams.set("sslmode", "disable");
  const connectTimeout = seconds(
    `connect_timeout in ${variable}`,
    take(url, "connect_timeout"),
    DEFAULT_CONNECT_TIMEOUT_SECONDS,
  );
  const ssl = tlsOptions({
    variable,
    mode: take(url, "sslmode"),
    rootCert: take(url, "sslrootcert"),
    cert: take(url, "sslcert"),
    key: take(url, "sslkey"),
  });
  const host = url.hostname === "" ? (url.searchParams.get("host") ?? "localhost") : url.hostname;
  return {
    variable,
    connection: {
      connectionString: url.href,
      ssl,
      connectionTimeoutMillis: connectTimeout * 1000,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    },
    url: given.href,
    place: `${host}:${url.port === "" ? "5432" : url.port}${url.pathname}`,
    statementTimeoutMs: timeoutMs(env, "DATABASE_STATEMENT_TIMEOUT_SECONDS"),
    lockTimeoutMs: timeoutMs(env, "DATABASE_LOCK_TIMEOUT_SECONDS"),
    replica: variable !== "DATABASE_URL" || (env[REPLICA] ?? "") === "" ? null : postgresConfig(env, REPLICA),
    replicaTimeoutMs: timeoutMs(env, "DATABASE_REPLICA_TIMEOUT_SECONDS", DEFAULT_REPLICA_TIMEOUT_SECONDS),
  };
}

function tryParse(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^postgres(ql)?:$/.test(url.protocol) ? url : undefined;
}

/** Removes an option from the URL: the driver understands some of them differently. */
function take(url: URL, name: string): string | undefined {
  const value = url.searchParams.get(name) ?? undefined;
  url.searchParams.delete(name);
  return value;
}

function timeoutMs(env: Environment, name: string, byDefault = DEFAULT_TIMEOUT_SECONDS): number {
  return seconds(name, env[name], byDefault) * 1000;
}

function seconds(name: string, text: string | undefined, byDefault: string): number {
  const value = Number(text ?? byDefault);
  // PostgreSQL keeps time limits as 32-bit integers of milliseconds.
  if (Number.isFinite(value) && value >= 0 && value * 1000 < 2 ** 31) return value;
  throw new PostgresConfigError(`${name}: expected seconds, got ${JSON.stringify(text)}`);
}

interface Tls {
  readonly variable: string;
  readonly mode: string | undefined;
  readonly rootCert: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

function tlsOptions({ variable, mode = "disable", rootCert, cert, key }: Tls): ConnectionOptions | false {
  const trusted =
    rootCert === undefined || rootCert === "system" ? {} : { ca: readPem(`sslrootcert in ${variable}`, rootCert) };
  if ((cert === undefined) !== (key === undefined))
    throw new PostgresConfigError(`${variable}: expected both sslcert and sslkey, or none; got one`);
  const own = {
    ...(cert === undefined ? {} : { cert: readPem(`sslcert in ${variable}`, cert) }),
    ...(key === undefined ? {} : { key: readPem(`sslkey in ${variable}`, key) }),
  };
  switch (mode) {
    case "disable":
      return false;
    case "require":
      // With a root certificate libpq verifies it here too.
      if (rootCert !== undefined) return { ...trusted, ...own, checkServerIdentity: () => undefined };
      return { ...own, rejectUnauthorized: false };
    case "verify-ca":
      return { ...trusted, ...own, checkServerIdentity: () => undefined };
    case "verify-full":
      return { ...trusted, ...own };
    default:
      throw new PostgresConfigError(
        `sslmode in ${variable}: expected disable, require, verify-ca or verify-full, got ${JSON.stringify(mode)}. ` +
          "Write verify-full, with sslrootcert=/path/to/ca.pem for a certificate authority of your own",
      );
  }
}

/** An empty text would be none to Node, which then trusts every public authority. */
function readPem(option: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new PostgresConfigError(`${option}: ${path} cannot be read`, { cause: error });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new PostgresConfigError(`${option}: ${path} holds nothing in PEM format, expected -----BEGIN …-----`);
}
