import { z } from "zod";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import { storeConnection, type SupersetStore } from "../../../resources/superset/connection.ts";
import { makeOnce } from "../../../resources/superset/make.ts";
import type { SupersetEnvironment } from "../../../resources/superset/settings.ts";

const made = z.object({ id: z.number() });

/** A database connection of the test's own: ours of a store is one for all that share a Superset. */
export async function ownDatabase(
  client: SupersetClient,
  name: string,
  store: SupersetStore,
  env: SupersetEnvironment,
  duckdbSnapshot = "",
): Promise<number> {
  const { uri, connectArgs } = storeConnection(store, env, duckdbSnapshot);
  const extra = JSON.stringify({ engine_params: { connect_args: connectArgs } });
  const make = async (): Promise<number> =>
    (await client.post("/database/", { database_name: name, sqlalchemy_uri: uri, extra }, made)).id;
  return await makeOnce("Database", make, () => Promise.resolve(undefined));
}
