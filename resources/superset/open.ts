import { SupersetClient, type SupersetClientOptions } from "./client/client.ts";
import { type SupersetEnvironment, type SupersetSettings, supersetSettings } from "./settings.ts";

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
  const client = new SupersetClient({ url, timeoutMs, credentials, ...options });
  return {
    settings,
    client,
    admin:
      adminCredentials === undefined
        ? undefined
        : new SupersetClient({ url, timeoutMs, credentials: adminCredentials, ...options }),
  };
}
