import type { SupersetStore } from "../../resources/superset/connection.ts";
import { storeDatabase } from "../../resources/superset/databases.ts";
import type { Superset } from "../../resources/superset/open.ts";
import { currentSnapshot } from "../../resources/snapshot.ts";
import type { StoreKind } from "../../resources/store.ts";
import type { SupersetRunContext } from "./run_context.ts";

/** Of the stores that this process has asked for, in a session. */
const known = new WeakMap<Superset, Map<StoreKind, Promise<number>>>();

/** The id of a store's connection in Superset; looked up once for all datasets of a process. */
export async function databaseOf(
  superset: Superset,
  store: StoreKind,
  { projectDir, env }: Pick<SupersetRunContext, "projectDir" | "env">,
): Promise<number> {
  const ofSession = known.get(superset) ?? new Map<StoreKind, Promise<number>>();
  known.set(superset, ofSession);
  const found = ofSession.get(store) ?? lookUp(superset, store, projectDir, env);
  ofSession.set(store, found);
  return await found;
}

async function lookUp(
  superset: Superset,
  store: StoreKind,
  projectDir: string,
  env: SupersetRunContext["env"],
): Promise<number> {
  const duckdbSnapshot = currentSnapshot(projectDir, env);
  const { id } = await storeDatabase(superset, { store: store.name as SupersetStore, env, duckdbSnapshot });
  return id;
}
