import path from "node:path";
import { formatWarehouse, parseWarehouse } from "../../resources/warehouse_choices.ts";
import { startEngine } from "../engines/start_engine.ts";
import type { Engine } from "../engines/engine.ts";
import type { StoreInUse } from "./manifest.ts";

/** The stores that are servers, and the variable that names a server of the user's own. */
const VARIABLES = {
  postgres: "DATABASE_URL",
  clickhouse: "CLICKHOUSE_URL",
  hyper: "HYPER_URL",
} as const;

type Server = keyof typeof VARIABLES;

/** Where all the tables can be. */
export type Warehouse = "duckdb" | Server;

const NAMES = "duckdb, postgres, clickhouse or hyper";

/** @throws Error when there is no warehouse of that name */
export function asWarehouse(name: string | undefined): Warehouse | undefined {
  if (name === undefined || isWarehouse(name)) return name;
  throw new Error(`--warehouse takes ${NAMES}, not ${JSON.stringify(name)}`);
}

/**
 * What `WAREHOUSE` is to be: the store of the command line replaces that of all schemas, and schemas that `WAREHOUSE` puts
 * elsewhere stay there.
 *
 * @throws Error when `WAREHOUSE` cannot be read
 */
export function chooseWarehouse(warehouse: Warehouse | undefined, given: string | undefined): string | undefined {
  const choices = parseWarehouse(given);
  if (typeof choices === "string") throw new Error(choices);
  for (const name of [choices.ofAll, ...choices.ofSchema.values()]) {
    if (name !== undefined && !isWarehouse(name))
      throw new Error(`WAREHOUSE takes ${NAMES}, not ${JSON.stringify(name)}`);
  }
  return warehouse === undefined ? given : formatWarehouse({ ...choices, ofAll: warehouse });
}

/** The servers among the stores that no variable names: they are to be started here. */
export function serversToStart(stores: readonly StoreInUse[], env: NodeJS.ProcessEnv): Server[] {
  return stores.map(({ store }) => store).filter((store) => isServer(store) && !isNamed(store, env)) as Server[];
}

/**
 * Starts an engine on this machine and names it in the environment.
 *
 * @throws EngineFault
 */
export async function startServer(server: Server, env: NodeJS.ProcessEnv): Promise<Engine> {
  const variable = VARIABLES[server];
  console.log(`Starting ${server} on this machine (${variable} would name a server of yours)`);
  const engine = await startEngine(server, { dataDir: path.resolve("data", server) });
  env[variable] = engine.url;
  return engine;
}

/** A server answers so to a user who may not make the empty tables of a proof; those of the assets may be another matter. */
const ANSWERS: ReadonlySet<string | null> = new Set(["permission_denied", "access_denied"]);

/** What a person can do about the first store that cannot be used, in one line; `undefined`: all answer. */
export function tellUnanswered(stores: readonly StoreInUse[], env: NodeJS.ProcessEnv): string | undefined {
  for (const { store, unproven } of stores) {
    if (unproven === null || ANSWERS.has(unproven.code)) continue;
    const reason = unproven.message.trim().replaceAll(/\s*\n\s*/g, " ");
    if (!isServer(store)) return `Nothing was run: ${store} cannot be used: ${reason}`;
    const variable = VARIABLES[store];
    return (
      `Nothing was run: ${store} cannot be used. ${reason.replace(/[^.?!]$/, "$&.")} ` +
      `${variable} names ${hostOf(env[variable] ?? "")}: start or correct it, or leave ${variable} out ` +
      "for a server that is started on this machine"
    );
  }
  return undefined;
}

function isWarehouse(name: string): name is Warehouse {
  return name === "duckdb" || isServer(name);
}

function isServer(store: string): store is Server {
  return Object.hasOwn(VARIABLES, store);
}

function isNamed(server: Server, env: NodeJS.ProcessEnv): boolean {
  return (env[VARIABLES[server]] ?? "") !== "";
}

/** Host and port only: the rest of the address may hold a password. */
function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : "an address that cannot be read";
}
