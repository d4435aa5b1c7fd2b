import { SupersetClient, type SupersetClientOptions } from "./client/client.ts";
import { SupersetConfigError } from "./client/errors.ts";
import { type SupersetEnvironment, supersetSettings } from "./settings.ts";

/**
 * A client of the account that the environment names for a role: `SUPERSET_ROLE_<ROLE>_USERNAME` and `_PASSWORD`, in
 * capitals, with `_` for all but letters and digits. Superset has no way to ask as somebody else, and answers under
 * row-level security are kept apart for each set of roles.
 *
 * @throws SupersetConfigError
 */
export function roleAccount(
  role: string,
  env: SupersetEnvironment,
  options: Pick<SupersetClientOptions, "signal" | "log" | "retry"> = {},
): SupersetClient {
  const prefix = `SUPERSET_ROLE_${role.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}_`;
  const [username = "", password = ""] = [env[`${prefix}USERNAME`], env[`${prefix}PASSWORD`]];
  if (username === "" || password === "") {
    throw new SupersetConfigError(
      `warm.roles names the role ${JSON.stringify(role)}: expected ${prefix}USERNAME and ${prefix}PASSWORD of an account that has it`,
    );
  }
  const { url, timeoutMs } = supersetSettings(env);
  return new SupersetClient({ url, timeoutMs, credentials: { username, password }, ...options });
}
