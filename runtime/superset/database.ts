import type { SupersetStore } from "../../resources/superset/connection.ts";
import { storeDatabase } from "../../resources/superset/databases.ts";
import type { Superset } from "../../resources/superset/open.ts";
import { currentSnapshot } from "../../resources/snapshot.ts";
import type { StoreKind } from "../../resources/store.ts";
import type { SupersetRunContext } from "./run_context.ts";

/** The id of a store's connection in Superset. */
export async function databaseOf(
  superset: Superset,
  store: StoreKind,
  { projectDir, env }: Pick<SupersetRunContext, "projectDir" | "env">,
): Promise<number> {
  const duckdbSnapshot = currentSnapshot(projectDir, env);
  const { id } = await storeDatabase(superset, { store: store.name as SupersetStore, env, duckdbSnapshot });
  return id;
}
