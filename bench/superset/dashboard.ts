import { copyFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { z } from "zod";
import { checkout, pythonBin } from "../../ops/process.ts";
import { SupersetClient } from "../../resources/superset/client/client.ts";
import { dashboardUrl, dashboardUuid } from "../../resources/superset/dashboard.ts";
import { type Question, questionsOf } from "../../resources/superset/warm.ts";
import { logIn, openDashboard, startBrowser } from "../../test/e2e/superset/browser.ts";
import type { Contender } from "../lib/contest.ts";
import { measure, type Measured } from "../lib/measure.ts";
import { freshFolder, freshProject } from "../lib/project.ts";
import type { DatasetsEnv } from "./datasets.ts";
import { writeProject } from "./project.ts";

const LINES = "bench/lines";
const NODES = ["superset/dataset/bench/lines", "superset/dashboard/sales", "superset/warm/sales"] as const;
/** From the start of the sync to the end of the warming. */
export const WARM = "synced and warm";
/** What Superset asks the store for all charts. */
export const BARE_SQL = "bare SQL";

const steps = z.record(z.string(), z.object({ start: z.number(), end: z.number() }));
type Steps = z.infer<typeof steps>;
const sqlOf = z.object({ result: z.array(z.object({ query: z.string() })).min(1) });

/** A dashboard over a table that is made anew in each round. */
export interface DashboardContest {
  readonly contenders: readonly [Contender, Contender];
  /** Of each first load of the page, how many answers did not come from the cache. */
  readonly cold: readonly number[];
  readonly close: () => Promise<void>;
}

/** Loads the purchase lines, and makes the dashboard for the first time. */
export async function dashboardContest(env: DatasetsEnv, say: (line: string) => void): Promise<DashboardContest> {
  const { SUPERSET_URL: url, SUPERSET_USERNAME: username, SUPERSET_PASSWORD: password } = env;
  const client = new SupersetClient({ url, credentials: { username, password } });
  const project = freshProject("superset");
  writeProject(project);
  const own = { ...env, WAREHOUSE: "postgres" };
  await measure([process.execPath, "runtime/manifest.ts"], { cwd: project, env: own });
  const home = freshFolder("superset", "home");
  copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(home, "dagster.yaml"));
  const materialize = async (...assets: string[]): Promise<Steps> => {
    const { stdout } = await measure([pythonBin("python"), `${checkout}/bench/superset/run_assets.py`], {
      env: { ...own, PYTHONPATH: project, BENCH_PROJECT: project, DAGSTER_HOME: home, BENCH_ASSETS: assets.join() },
    });
    return steps.parse(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""));
  };
  say("loading the purchase lines");
  await materialize("retail/transactions");
  await materialize(LINES, ...NODES);
  const questions = await questionsOf(client, dashboardUuid("sales"), 1);
  const store = new pg.Client({ connectionString: env.DATABASE_URL });
  await store.connect();
  const browser = await startBrowser();
  const page = await logIn(browser, { url, username, password });
  const cold: number[] = [];
  const warm = async (): Promise<Measured> => {
    const measured = spanOf(await materialize(LINES, ...NODES));
    const seen = await openDashboard(page, dashboardUrl(client, "sales"), questions.length);
    if (seen.length < questions.length) throw new Error(`${seen.length} answers of ${questions.length}`);
    cold.push(seen.filter(({ isCached }) => !isCached).length);
    return measured;
  };
  return {
    contenders: [
      { name: WARM, run: warm },
      { name: BARE_SQL, run: async () => await askStore(client, store, questions) },
    ],
    cold,
    close: async () => {
      await browser.close();
      await store.end();
    },
  };
}

function spanOf(all: Steps): Measured {
  const [dataset, dashboard, warming] = NODES.map((key) => all[key.replaceAll("/", "__")]);
  if (dataset === undefined || dashboard === undefined || warming === undefined)
    throw new Error(`the steps were ${Object.keys(all).join(", ")}`);
  return {
    seconds: warming.end - dataset.start,
    extra: {
      "dataset s": dataset.end - dataset.start,
      "dashboard s": dashboard.end - dashboard.start,
      "warm s": warming.end - warming.start,
    },
  };
}

/** Asks the store by itself what Superset asks it. */
async function askStore(client: SupersetClient, store: pg.Client, questions: readonly Question[]): Promise<Measured> {
  const statements: string[] = [];
  for (const { context } of questions) {
    const { result } = await client.post("/chart/data", { ...context, result_type: "query" }, sqlOf);
    statements.push(...result.map(({ query }) => query));
  }
  const start = performance.now();
  for (const statement of statements) await store.query(statement);
  return { seconds: (performance.now() - start) / 1000, extra: { statements: statements.length } };
}
