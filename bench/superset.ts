// a dashboard synced, busted and warm after 1.47 million new rows, and 20 datasets, beside the bare SQL and REST calls
import path from "node:path";
import { startEngine } from "../ops/engines/start_engine.ts";
import { onStop } from "../ops/process.ts";
import { runBench } from "./lib/bench.ts";
import { contest, getSummary } from "./lib/contest.ts";
import { benchFolder } from "./lib/project.ts";
import type { Result } from "./lib/result.ts";
import { bootContenders, FIRST_BOOT, LATER_BOOT } from "./superset/boot.ts";
import { BARE_SQL, dashboardContest, WARM } from "./superset/dashboard.ts";
import { daemonContender, FOLLOWED } from "./superset/daemon.ts";
import { datasetContenders, type DatasetsEnv, REST, SYNC } from "./superset/datasets.ts";

type Part = (env: DatasetsEnv, rounds: number, say: (line: string) => void) => Promise<Omit<Result, "bench">>;

/** What is asked for: three times the bare SQL, and this. */
const [TIMES, PLUS_S] = [3, 5];

const PARTS: Readonly<Record<string, Part>> = {
  dashboard: async (env, rounds, say) => {
    const { contenders, cold, close } = await dashboardContest(env, say);
    try {
      const summaries = await contest(contenders, { rounds, warmUp: 1, say });
      const get = getSummary(summaries);
      const allowed = TIMES * get(BARE_SQL).medianS + PLUS_S;
      return {
        contenders: summaries,
        bars: [
          { name: "warm_to_3_times_sql_plus_5_s", value: get(WARM).medianS / allowed, limit: 1 },
          { name: "cold_answers_on_first_load", value: Math.max(...cold), limit: 0 },
        ],
      };
    } finally {
      await close();
    }
  },
  datasets: async (env, rounds, say) => {
    const summaries = await contest(await datasetContenders(env), { rounds, warmUp: 1, say });
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [{ name: "datasets_to_rest_calls", value: get(SYNC).medianS / get(REST).medianS, limit: 1.5 }],
    };
  },
  daemon: async (env, rounds, say) => {
    const summaries = await contest([await daemonContender(env)], { rounds, warmUp: 0, say });
    return {
      contenders: summaries,
      bars: [{ name: "followed_by_the_daemon_s", value: getSummary(summaries)(FOLLOWED).medianS, limit: 20 }],
    };
  },
  boot: async (_env, rounds, say) => {
    const summaries = await contest(bootContenders(), { rounds, warmUp: 0, say });
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [
        { name: "first_boot_s", value: get(FIRST_BOOT).medianS, limit: 90 },
        { name: "later_boot_s", value: get(LATER_BOOT).medianS, limit: 10 },
      ],
    };
  },
};

onStop();
await runBench({
  name: "superset",
  help: `dashboard: one run of Dagster makes a table of 1.47 million purchase lines in PostgreSQL anew, and then syncs its
dataset and the dashboard of ten charts that shows it, and warms that. "${WARM}" is from the start of the sync to the end of
the warming, between Dagster's events; "${BARE_SQL}" is what Superset asks the store for each chart, one after the other, in a
connection that is open. Then a browser opens the page: all of its answers must come from the cache.
datasets: "${SYNC}" is the whole process of the runtime; "${REST}" what it asks of Superset, from the login on.
daemon: "${FOLLOWED}" is from the end of the materialization of a table to the end of the warming of its dashboard, with
Dagster's daemon alone to see to it.
boot: "${FIRST_BOOT}" makes the template of Superset's metadata, "${LATER_BOOT}" finds its data folder.`,
  rounds: 3,
  parts: Object.keys(PARTS),
  run: async ({ rounds, parts, say }) => {
    const engines = path.join(benchFolder("superset"), "engines");
    await using postgres = await startEngine("postgres", { dataDir: `${engines}/postgres` });
    await using redis = await startEngine("redis", { dataDir: `${engines}/redis` });
    await using superset = await startEngine("superset", { dataDir: `${engines}/superset`, redisUrl: redis.url });
    const { url, username, password } = superset;
    const env = {
      DATABASE_URL: postgres.url,
      SUPERSET_URL: url,
      SUPERSET_USERNAME: username,
      SUPERSET_PASSWORD: password,
      SUPERSET_ADMIN_USERNAME: username,
      SUPERSET_ADMIN_PASSWORD: password,
    };
    const results: Omit<Result, "bench">[] = [];
    for (const name of parts) {
      const part = PARTS[name];
      if (part !== undefined) results.push(await part(env, rounds, say));
    }
    return {
      contenders: results.flatMap(({ contenders }) => contenders),
      bars: results.flatMap(({ bars }) => bars),
    };
  },
});
