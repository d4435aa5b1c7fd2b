// a dashboard synced, busted and warm after 1.47 million new rows, beside the bare SQL of its charts
import { copyFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { z } from "zod";
import { startEngine } from "../ops/engines/start_engine.ts";
import { checkout, onStop, pythonBin } from "../ops/process.ts";
import { SupersetClient } from "../resources/superset/client/client.ts";
import { dashboardUrl, dashboardUuid } from "../resources/superset/dashboard.ts";
import { questionsOf } from "../resources/superset/warm.ts";
import { logIn, openDashboard, startBrowser } from "../test/e2e/superset/browser.ts";
import { runBench } from "./lib/bench.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure, type Measured } from "./lib/measure.ts";
import { benchFolder, freshFolder, freshProject } from "./lib/project.ts";
import { writeProject } from "./superset/project.ts";

const LINES = "bench/lines";
const SYNC = ["superset/dataset/bench/lines", "superset/dashboard/sales", "superset/warm/sales"] as const;
/** What the request asks for: three times the bare SQL, and this. */
const [TIMES, PLUS_S] = [3, 5];

const steps = z.record(z.string(), z.object({ start: z.number(), end: z.number() }));
const sqlOf = z.object({ result: z.array(z.object({ query: z.string() })).min(1) });

onStop();
await runBench({
  name: "superset",
  help: `One run of Dagster makes a table of 1.47 million purchase lines in PostgreSQL anew, and then syncs its dataset,
the dashboard of ten charts that shows it, and warms that. "synced and warm" is from the start of the sync to the end of the
warming, between Dagster's events; "bare SQL" is what Superset asks the store for each chart, one after the other, in a
connection that is open. A browser then opens the page: all of its answers must come from the cache.`,
  rounds: 3,
  run: async ({ rounds, say }) => {
    const engines = path.join(benchFolder("superset"), "engines");
    await using postgres = await startEngine("postgres", { dataDir: `${engines}/postgres` });
    await using redis = await startEngine("redis", { dataDir: `${engines}/redis` });
    await using superset = await startEngine("superset", { dataDir: `${engines}/superset`, redisUrl: redis.url });
    const { url, username, password } = superset;
    const account = { SUPERSET_USERNAME: username, SUPERSET_PASSWORD: password };
    const admin = { SUPERSET_ADMIN_USERNAME: username, SUPERSET_ADMIN_PASSWORD: password };
    const env = { WAREHOUSE: "postgres", DATABASE_URL: postgres.url, SUPERSET_URL: url, ...account, ...admin };
    const client = new SupersetClient({ url, credentials: { username, password } });

    const project = freshProject("superset");
    writeProject(project);
    await measure([process.execPath, "runtime/manifest.ts"], { cwd: project, env });
    const home = freshFolder("superset", "home");
    copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(home, "dagster.yaml"));
    const materialize = async (...assets: string[]): Promise<z.infer<typeof steps>> => {
      const { stdout } = await measure([pythonBin("python"), `${checkout}/bench/superset/run_assets.py`], {
        env: { ...env, PYTHONPATH: project, BENCH_PROJECT: project, DAGSTER_HOME: home, BENCH_ASSETS: assets.join() },
      });
      return steps.parse(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""));
    };
    say("loading the purchase lines");
    await materialize("retail/transactions");
    await materialize(LINES, ...SYNC);

    const browser = await startBrowser();
    try {
      const page = await logIn(browser, { url, username, password });
      const questions = await questionsOf(client, dashboardUuid("sales"), 1);
      const store = new pg.Client({ connectionString: postgres.url });
      await store.connect();
      const cold: number[] = [];
      const warm: Contender = {
        name: "synced and warm",
        run: async () => {
          const all = await materialize(LINES, ...SYNC);
          const [dataset, dashboard, warming] = SYNC.map((key) => all[key.replaceAll("/", "__")]);
          if (dataset === undefined || dashboard === undefined || warming === undefined)
            throw new Error(`the steps were ${Object.keys(all).join(", ")}`);
          const seen = await openDashboard(page, dashboardUrl(client, "sales"), questions.length);
          if (seen.length < questions.length) throw new Error(`${seen.length} answers of ${questions.length}`);
          cold.push(seen.filter(({ isCached }) => !isCached).length);
          return {
            seconds: warming.end - dataset.start,
            extra: {
              "dataset s": dataset.end - dataset.start,
              "dashboard s": dashboard.end - dashboard.start,
              "warm s": warming.end - warming.start,
            },
          };
        },
      };
      const bare: Contender = { name: "bare SQL", run: async () => await askStore(client, store, questions) };
      const summaries = await contest([warm, bare], { rounds, warmUp: 1, say });
      await store.end();
      const get = getSummary(summaries);
      const allowed = TIMES * get("bare SQL").medianS + PLUS_S;
      return {
        contenders: summaries,
        bars: [
          { name: "warm_to_3_times_sql_plus_5_s", value: get("synced and warm").medianS / allowed, limit: 1 },
          { name: "cold_answers_on_first_load", value: Math.max(...cold), limit: 0 },
        ],
      };
    } finally {
      await browser.close();
    }
  },
});

/** Asks the store by itself what Superset asks it. */
async function askStore(
  client: SupersetClient,
  store: pg.Client,
  questions: Awaited<ReturnType<typeof questionsOf>>,
): Promise<Measured> {
  const statements: string[] = [];
  for (const { context } of questions) {
    const { result } = await client.post("/chart/data", { ...context, result_type: "query" }, sqlOf);
    statements.push(...result.map(({ query }) => query));
  }
  const start = performance.now();
  for (const statement of statements) await store.query(statement);
  return { seconds: (performance.now() - start) / 1000, extra: { statements: statements.length } };
}
