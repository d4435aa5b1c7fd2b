import { SupersetConfigError } from "./client/errors.ts";

/** Who we are in Superset. */
export type SupersetCredentials =
  { readonly username: string; readonly password: string } | { readonly apiKey: string };

/** Where Superset is, and who we are there. */
export interface SupersetSettings {
  /** `http://host:port`, or with a path where Superset is below one; no slash at the end. */
  readonly url: string;
  readonly credentials: SupersetCredentials;
  /** An account that may make database connections; `undefined`: those that are there are used. */
  readonly adminCredentials: SupersetCredentials | undefined;
  /** For one attempt of one request, in milliseconds. */
  readonly timeoutMs: number;
}

/** Variables of a process. */
export type SupersetEnvironment = Readonly<Record<string, string | undefined>>;

const DEFAULT_TIMEOUT_SECONDS = 60;
/** Node's own `fetch` waits no longer for the beginning of an answer. */
const MOST_TIMEOUT_SECONDS = 300;

/**
 * Reads the settings off the environment.
 *
 * - `SUPERSET_URL`: `http://host:port` or `https://…`, with its path where Superset is below one.
 * - `SUPERSET_USERNAME` and `SUPERSET_PASSWORD`, or `SUPERSET_API_KEY`: the service account.
 * - `SUPERSET_ADMIN_USERNAME` and `SUPERSET_ADMIN_PASSWORD`: an account that may make database connections.
 * - `SUPERSET_TIMEOUT_SECONDS`: limit of one request, up to 300. Default: 60.
 *
 * @throws SupersetConfigError
 */
export function supersetSettings(env: SupersetEnvironment): SupersetSettings {
  const settings = tryGetSupersetSettings(env);
  if (settings !== undefined) return settings;
  throw new SupersetConfigError(
    "SUPERSET_URL is not set: expected http://host:port of a Superset, with SUPERSET_USERNAME and SUPERSET_PASSWORD, " +
      "or SUPERSET_API_KEY, of a service account there. npm start brings one up by itself",
  );
}

/** {@link supersetSettings}, or `undefined` where `SUPERSET_URL` is not set. */
export function tryGetSupersetSettings(env: SupersetEnvironment): SupersetSettings | undefined {
  const url = env["SUPERSET_URL"] ?? "";
  if (url === "") return undefined;
  const credentials = credentialsOf(env, "SUPERSET_", env["SUPERSET_API_KEY"]);
  if (credentials === undefined) {
    throw new SupersetConfigError(
      "SUPERSET_URL is set, but no account: expected SUPERSET_USERNAME and SUPERSET_PASSWORD, or SUPERSET_API_KEY",
    );
  }
  return {
    url: baseOf(url),
    credentials,
    adminCredentials: credentialsOf(env, "SUPERSET_ADMIN_"),
    timeoutMs: seconds(env, "SUPERSET_TIMEOUT_SECONDS") * 1000,
  };
}

function credentialsOf(env: SupersetEnvironment, prefix: string, apiKey = ""): SupersetCredentials | undefined {
  const username = env[`${prefix}USERNAME`] ?? "";
  const password = env[`${prefix}PASSWORD`] ?? "";
  if (apiKey !== "" && username === "" && password === "") return { apiKey };
  if (apiKey !== "") {
    throw new SupersetConfigError("SUPERSET_API_KEY and SUPERSET_USERNAME are both set: expected one account");
  }
  if (username === "" && password === "") return undefined;
  if (username !== "" && password !== "") return { username, password };
  throw new SupersetConfigError(`${prefix}USERNAME and ${prefix}PASSWORD go together: one of them is not set`);
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new SupersetConfigError(
      "SUPERSET_URL: expected http://host:port or https://…, got something else (not shown: it may hold a password)",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new SupersetConfigError(
      "SUPERSET_URL holds a user or a password: expected them in SUPERSET_USERNAME and SUPERSET_PASSWORD",
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function seconds(env: SupersetEnvironment, name: string): number {
  const value = Number(env[name] ?? DEFAULT_TIMEOUT_SECONDS);
  if (value > 0 && value <= MOST_TIMEOUT_SECONDS) return value;
  throw new SupersetConfigError(
    `${name}: expected seconds above 0, up to ${MOST_TIMEOUT_SECONDS}, got ${JSON.stringify(env[name])}`,
  );
}
