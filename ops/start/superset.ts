import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Engine } from "../engines/engine.ts";
import { EngineFault } from "../engines/engine_fault.ts";
import { tryFindOnSystem } from "../engines/install_debian.ts";
import { startEngine } from "../engines/start_engine.ts";
import { isTaken } from "./ui.ts";

/** What became of Superset: one of ours, one of the user's, or none. */
export interface ChosenSuperset {
  /** `undefined`: there is none, and nothing of it is run. */
  readonly url: string | undefined;
  /** How to log in to one of ours, for people. */
  readonly login: string;
  /** What was started, in this order. */
  readonly engines: readonly Engine[];
}

/** Where people expect it. */
const PORT = 8088;
const NONE: ChosenSuperset = { url: undefined, login: "", engines: [] };

const manifest = z.object({ assets: z.array(z.object({ key: z.array(z.string()), body: z.string() })) });

/** The keys of what is in Superset: datasets, dashboards, warming. */
export function supersetNodes(manifestFile: string): string[] {
  const { assets } = manifest.parse(JSON.parse(readFileSync(manifestFile, "utf8")));
  return assets.filter(({ body }) => body === "superset").map(({ key }) => key.join("/"));
}

/**
 * Starts Superset where the manifest has anything for it and `SUPERSET_URL` names none, and names it in the environment.
 * Without a Python that it can run on, or without its packages, it says so, and the rest goes on.
 */
export async function chooseSuperset(
  env: NodeJS.ProcessEnv,
  isNeeded: boolean,
  isWanted: boolean,
): Promise<ChosenSuperset> {
  const given = env["SUPERSET_URL"] ?? "";
  if (isWanted && given !== "") return { ...NONE, url: given };
  // Nothing that runs here is to find another one by chance.
  env["SUPERSET_URL"] = "";
  if (!isWanted || !isNeeded) return NONE;
  console.log(
    "Starting Superset on this machine (SUPERSET_URL would name one of yours; --without-superset leaves it out)",
  );
  const engines: Engine[] = [];
  try {
    return await start(env, engines);
  } catch (error) {
    for (const engine of engines.reverse()) await engine.stop();
    if (!(error instanceof EngineFault)) throw error;
    console.error(`Going on without Superset, so without its datasets and dashboards. ${error.message}`);
    return NONE;
  }
}

async function start(env: NodeJS.ProcessEnv, engines: Engine[]): Promise<ChosenSuperset> {
  const redisUrl = await chooseRedis(env, engines);
  const superset = await startEngine("superset", {
    dataDir: path.resolve("data/superset"),
    port: (await isTaken(PORT)) ? 0 : PORT,
    ...(redisUrl === undefined ? {} : { redisUrl }),
  });
  engines.push(superset);
  const { url, username, password } = superset;
  Object.assign(env, {
    SUPERSET_URL: url,
    SUPERSET_USERNAME: username,
    SUPERSET_PASSWORD: password,
    SUPERSET_ADMIN_USERNAME: username,
    SUPERSET_ADMIN_PASSWORD: password,
  });
  delete env["SUPERSET_API_KEY"];
  const login = superset.isNew
    ? `user ${username}, password ${password} (it is not shown again; data/superset/password keeps it)`
    : `user ${username}, password in data/superset/password`;
  return { url, login, engines };
}

/** The cache: a server that is named, else one of our own where the program is there; else files. */
async function chooseRedis(env: NodeJS.ProcessEnv, engines: Engine[]): Promise<string | undefined> {
  const named = env["REDIS_URL"] ?? "";
  if (named !== "") return named;
  if (tryFindOnSystem("redis-server") === undefined) return undefined;
  const redis = await startEngine("redis", { dataDir: path.resolve("data/redis") });
  engines.push(redis);
  return redis.url;
}
