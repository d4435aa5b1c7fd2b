import path from "node:path";
import { startEngine } from "../engines/start_engine.ts";
import type { Engine } from "../engines/engine.ts";

/** The engine of each warehouse that is a server, and the variable that names a server of the user's own. */
const SERVERS = {
  postgres: { variable: "DATABASE_URL" },
  clickhouse: { variable: "CLICKHOUSE_URL" },
  hyper: { variable: "HYPER_URL" },
} as const;

/** Where all the tables can be. */
export type Warehouse = "duckdb" | keyof typeof SERVERS;

/** @throws Error when there is no warehouse of that name */
export function asWarehouse(name: string | undefined): Warehouse | undefined {
  if (name === undefined || name === "duckdb" || name in SERVERS) return name as Warehouse | undefined;
  throw new Error(`--warehouse takes duckdb, ${Object.keys(SERVERS).join(" or ")}, not "${name}"`);
}

/**
 * Sets the environment to a warehouse; starts an engine for it on this machine where no server of the user's is named.
 *
 * @returns the engine, which ends with this process
 */
export async function startWarehouse(
  warehouse: Warehouse | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Engine | undefined> {
  if (warehouse === undefined) return undefined;
  env["WAREHOUSE"] = warehouse;
  if (warehouse === "duckdb") return undefined;
  const { variable } = SERVERS[warehouse];
  if ((env[variable] ?? "") !== "") return undefined;
  console.log(`Starting ${warehouse} on this machine (${variable} would name a server of yours)`);
  const engine = await startEngine(warehouse, { dataDir: path.resolve("data", warehouse) });
  env[variable] = engine.url;
  return engine;
}
