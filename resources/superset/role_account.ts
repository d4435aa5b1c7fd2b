import { z } from "zod";
import { SupersetClient, type SupersetClientOptions } from "./client/client.ts";
import { SupersetConfigError } from "./client/errors.ts";
import { type SupersetEnvironment, supersetSettings } from "./settings.ts";

const mine = z.object({ result: z.object({ roles: z.record(z.string(), z.unknown()) }) });

/**
 * A client of the account that the environment names for a role: `SUPERSET_ROLE_<ROLE>_USERNAME` and `_PASSWORD`, in
 * capitals, with `_` for all but letters and digits. Superset has no way to ask as somebody else, and answers under
 * row-level security are kept apart for each set of roles.
 *
 * @throws SupersetConfigError where there is none, or it does not have the role: the answers would be those of others
 * @throws SupersetError
 */
export async function roleAccount(
  role: string,
  env: SupersetEnvironment,
  options: Pick<SupersetClientOptions, "signal" | "log" | "retry"> = {},
): Promise<SupersetClient> {
  const prefix = `SUPERSET_ROLE_${role.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}_`;
  const [username = "", password = ""] = [env[`${prefix}USERNAME`], env[`${prefix}PASSWORD`]];
  if (username === "" || password === "") {
    throw new SupersetConfigError(
      `warm.roles names the role ${JSON.stringify(role)}: expected ${prefix}USERNAME and ${prefix}PASSWORD of an account that has it`,
    );
  }
  const { url, timeoutMs } = supersetSettings(env);
  const client = new SupersetClient({ url, timeoutMs, credentials: { username, password }, ...options });
  const { roles } = (await client.get("/me/roles/", mine)).result;
  if (role in roles) return client;
  throw new SupersetConfigError(
    `${prefix}USERNAME names an account that does not have the role ${JSON.stringify(role)}, but ${Object.keys(roles).join(", ")}`,
  );
}
