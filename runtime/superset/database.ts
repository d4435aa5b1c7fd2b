import type { SupersetStore } from "../../resources/superset/connection.ts";
import {
  type ComparedDatabase,
  compareDatabase,
  storeDatabase,
  type StoreOptions,
} from "../../resources/superset/databases.ts";
import type { Superset } from "../../resources/superset/open.ts";
import { currentSnapshot } from "../../resources/snapshot.ts";
import type { StoreKind } from "../../resources/store.ts";
import type { SupersetRunContext } from "./run_context.ts";

/** Of the stores that this process has asked for, in a session. */
const known = new WeakMap<Superset, Map<StoreKind, Promise<number>>>();

/** The id of a store's connection in Superset; looked up once for all datasets of a process. */
export async function databaseOf(superset: Superset, store: StoreKind, place: Place): Promise<number> {
  const ofSession = known.get(superset) ?? new Map<StoreKind, Promise<number>>();
  known.set(superset, ofSession);
  const found = ofSession.get(store) ?? lookUp(superset, store, place);
  ofSession.set(store, found);
  return await found;
}

async function lookUp(superset: Superset, store: StoreKind, place: Place): Promise<number> {
  return (await storeDatabase(superset, optionsOf(store, place))).id;
}

/** Where the connection of a store is, and how it differs from what it should be; writes nothing. */
export async function compareDatabaseOf(superset: Superset, store: StoreKind, place: Place): Promise<ComparedDatabase> {
  return await compareDatabase(superset, optionsOf(store, place));
}

type Place = Pick<SupersetRunContext, "projectDir" | "env">;

function optionsOf(store: StoreKind, { projectDir, env }: Place): StoreOptions {
  return { store: store.name as SupersetStore, env, duckdbSnapshot: currentSnapshot(projectDir, env) };
}
