import { HyperConfigurationError } from "./errors.ts";

/** Where the Hyper server is, and how long to wait for it. */
export interface HyperConfig {
  /** `postgres://user:password@host:port//absolute/path/warehouse.hyper`: the database of Hyper is a file's full path. */
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** How long one statement may take; 0 for any time. The client cancels it: Hyper has no limit of its own. */
  readonly statementTimeoutMs: number;
  /** How long to wait for another publish of the same table. */
  readonly lockTimeoutMs: number;
  /** Whether the server reads and writes the files of this machine; otherwise rows go over the connection. */
  readonly sharesFiles: boolean;
}

/** Names of this machine. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Reads the configuration off the environment.
 *
 * - `HYPER_URL`: server and database file.
 * - `HYPER_CONNECT_TIMEOUT_SECONDS`: how long to wait for a connection. Default: 10.
 * - `HYPER_STATEMENT_TIMEOUT_SECONDS`: limit of one statement; 0 for none. Default: 300.
 * - `HYPER_LOCK_TIMEOUT_SECONDS`: how long to wait for another publish of the same table. Default: 300.
 * - `HYPER_SHARES_FILES`: `true` or `false`, whether the server reads and writes the files of this machine, which is
 *   quicker than the connection. Default: `true` where the URL names this machine.
 *
 * @throws HyperConfigurationError
 */
export function hyperConfig(env: Readonly<Record<string, string | undefined>>): HyperConfig {
  const url = env["HYPER_URL"];
  if (url === undefined || url === "") {
    throw new HyperConfigurationError(
      "HYPER_URL is not set: expected postgres://user:password@host:port//absolute/path/warehouse.hyper",
    );
  }
  if (!URL.canParse(url) || databaseOf(url) === "") {
    throw new HyperConfigurationError(
      "HYPER_URL: expected postgres://user:password@host:port//absolute/path/warehouse.hyper, " +
        "where the path of the database file follows a slash of its own",
    );
  }
  return {
    url,
    connectTimeoutMs: seconds(env, "HYPER_CONNECT_TIMEOUT_SECONDS", "10") * 1000,
    statementTimeoutMs: seconds(env, "HYPER_STATEMENT_TIMEOUT_SECONDS", "300") * 1000,
    lockTimeoutMs: seconds(env, "HYPER_LOCK_TIMEOUT_SECONDS", "300") * 1000,
    sharesFiles: sharesFiles(env["HYPER_SHARES_FILES"] ?? "", new URL(url).hostname),
  };
}

/** The database file that a URL names. */
export function databaseOf(url: string): string {
  // As pg does it, which leaves an encoded # or ? as it is.
  return decodeURI(new URL(url).pathname.slice(1));
}

/** The same server with another database; an empty one names the server itself. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURI(database)}`;
  return changed.href;
}

function sharesFiles(text: string, host: string): boolean {
  if (text === "") return LOOPBACK.test(host);
  if (text === "true" || text === "false") return text === "true";
  throw new HyperConfigurationError(`HYPER_SHARES_FILES: expected true or false, got ${JSON.stringify(text)}`);
}

function seconds(env: Readonly<Record<string, string | undefined>>, name: string, otherwise: string): number {
  const value = Number(env[name] ?? otherwise);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new HyperConfigurationError(`${name}: expected seconds, got ${JSON.stringify(env[name])}`);
}
