import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { followedByDaemon, followedFiles, IN_SUPERSET, TABLE } from "../../test/e2e/superset/daemon.ts";
import type { Contender } from "../lib/contest.ts";
import { measure } from "../lib/measure.ts";
import { freshProject } from "../lib/project.ts";
import type { DatasetsEnv } from "./datasets.ts";

/** From the end of a materialization to the end of the warming. */
export const FOLLOWED = "followed by the daemon";

/** A dashboard of one chart that follows its table by itself; each round starts a daemon of its own. */
export async function daemonContender(env: DatasetsEnv): Promise<Contender> {
  const project = freshProject("superset_daemon");
  const own = { ...process.env, ...env, WAREHOUSE: "postgres" };
  for (const [name, text] of Object.entries(followedFiles("amount: z.int()", "{ amount: Date.now() }"))) {
    mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
    writeFileSync(path.join(project, name), text);
  }
  await measure([process.execPath, "runtime/main.ts", TABLE, ...IN_SUPERSET], { cwd: project, env: own });
  return {
    name: FOLLOWED,
    run: async () => {
      rmSync(path.join(project, "dagster_home"), { recursive: true, force: true });
      return { seconds: await followedByDaemon(project, own) };
    },
  };
}
