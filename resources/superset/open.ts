import { isDeepStrictEqual } from "node:util";
import { SupersetClient, type SupersetClientOptions } from "./client/client.ts";
import {
  type SupersetCredentials,
  type SupersetEnvironment,
  type SupersetSettings,
  supersetSettings,
} from "./settings.ts";

/** Superset, as our accounts see it. */
export interface Superset {
  readonly settings: SupersetSettings;
  /** Of the service account. */
  readonly client: SupersetClient;
  /** Of the account that may make database connections, where one is given. */
  readonly admin: SupersetClient | undefined;
}

/** The Superset that the environment names. @throws SupersetConfigError */
export function openSuperset(
  env: SupersetEnvironment,
  options: Pick<SupersetClientOptions, "signal" | "log" | "retry"> = {},
): Superset {
  const settings = supersetSettings(env);
  const { url, timeoutMs, credentials, adminCredentials } = settings;
  const clientOf = (account: SupersetCredentials): SupersetClient =>
    new SupersetClient({ url, timeoutMs, credentials: account, ...options });
  const client = clientOf(credentials);
  if (adminCredentials === undefined) return { settings, client, admin: undefined };
  // A login takes Superset longer than a small sync: one is enough for one account.
  const isSame = isDeepStrictEqual(adminCredentials, credentials);
  return { settings, client, admin: isSame ? client : clientOf(adminCredentials) };
}
