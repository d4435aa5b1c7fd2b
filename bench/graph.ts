// the reference graph over loaded tables, beside the bare SQL, dbt, and dagster-dbt
import { copyFileSync, cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { checkout, onStop, pythonBin } from "../ops/process.ts";
import { writeDbtProject } from "./graph/dbt_project.ts";
import { stripOptions } from "./graph/strip_options.ts";
import { fingerprint, makeTemplate } from "./graph/template.ts";
import { runBench } from "./lib/bench.ts";
import { contenderBin, installContenders } from "./lib/contenders_env.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure, type Measured } from "./lib/measure.ts";
import { freshFolder, freshProject } from "./lib/project.ts";

const MODELS = ["cleaned_events", "user_metrics", "dashboard_data", "revenue_by_store_daily"] as const;
const SOURCES = ["raw_events", "transactions", "products", "demographics"] as const;
/** What a query of partitions says of the window of its run. */
const WINDOW = /^ *WHERE \w+ >= \{window\.start\} AND \w+ < \{window\.end\}\n/m;
const KEYS = MODELS.map((name) => `retail/${name}`);

onStop();
await runBench({
  name: "graph",
  help: `Computes ${MODELS.join(", ")} over loaded tables: ${SOURCES.join(", ")}.
Each contender is the whole command, from the start of its process to its end. No checks run in any of them.`,
  rounds: 5,
  run: async ({ rounds, say }) => {
    await installContenders(say);
    say("preparing the projects and the loaded tables");
    const work = freshFolder("graph", "work");
    const template = path.join(work, "template.duckdb");
    await makeTemplate(template, path.join(checkout, "data/completejourney"));
    const project = makeProject();
    const dbtProject = freshFolder("graph", "dbt");
    const models = MODELS.map((name) => ({ name, sql: readFileSync(`${project}/sql/retail/${name}.sql`, "utf8") }));
    writeDbtProject(dbtProject, models, SOURCES);
    const sqlFiles = models.map(({ name, sql }) => {
      const file = path.join(work, `${name}.sql`);
      const query = sql.replaceAll(/\{(\w+)\}/g, "retail.$1");
      writeFileSync(file, `CREATE OR REPLACE TABLE retail.${name} AS\n${query}`);
      return file;
    });

    const warehouse = path.join(work, "warehouse.duckdb");
    const environment = {
      DUCKDB_PATH: warehouse,
      DBT_SEND_ANONYMOUS_USAGE_STATS: "0",
      DAGSTER_DG_UPDATE_CHECK_ENABLED: "0",
    };
    const home = (name: string): Record<string, string> => {
      const folder = freshFolder("graph", `home_${name}`);
      copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(folder, "dagster.yaml"));
      return { ...environment, DAGSTER_HOME: folder };
    };
    // The manifests of both sides are made beforehand, as a deployment does.
    const run = async (
      command: readonly [string, ...string[]],
      cwd: string,
      env: Record<string, string>,
    ): Promise<Measured> => await measure(command, { cwd, env });
    await run([process.execPath, "runtime/manifest.ts"], project, environment);
    copyFileSync(template, warehouse);
    await run([contenderBin("dbt"), "parse", "--quiet"], dbtProject, environment);

    const expected = new Map<string, string>();
    /** Copies the loaded tables, runs the command, and sees that the tables are the same as those of the others. */
    const over =
      (name: string, act: () => Promise<Measured>): (() => Promise<Measured>) =>
      async () => {
        for (const file of globSync(`${warehouse}*`)) rmSync(file, { recursive: true });
        copyFileSync(template, warehouse);
        const measured = await act();
        expected.set(name, await fingerprint(warehouse, MODELS));
        if (new Set(expected.values()).size > 1) {
          throw new Error(`not the same tables:\n${[...expected].map((each) => each.join("  ")).join("\n")}`);
        }
        return measured;
      };

    const oursEnvironment = {
      ...environment,
      // As the launcher sets it for every step.
      NODE_COMPILE_CACHE: path.join(project, ".state/compile_cache"),
    };
    const selection = KEYS.map((key) => `key:"${key}"`).join(" or ");
    const oursHome = { ...home("ours"), PYTHONPATH: project };
    const dbtHome = { ...home("dbt"), DBT_PROFILES_DIR: dbtProject };
    const contender = (name: string, act: () => Promise<Measured>): Contender => ({ name, run: over(name, act) });
    const contenders = [
      contender("bare SQL", () =>
        run([process.execPath, `${checkout}/bench/graph/bare_sql.ts`, warehouse, ...sqlFiles], checkout, environment),
      ),
      contender("ours", async () => {
        const measured = await run([process.execPath, "runtime/main.ts", ...KEYS], project, oursEnvironment);
        return { ...measured, extra: await phases(warehouse) };
      }),
      contender("dbt", () => run([contenderBin("dbt"), "run", "--quiet"], dbtProject, environment)),
      contender("ours, dg launch", () => run([pythonBin("dg"), "launch", "--assets", selection], project, oursHome)),
      contender("dagster-dbt, dg launch", () =>
        run([contenderBin("dg"), "launch", "--assets", "*"], dbtProject, {
          ...dbtHome,
          PATH: `${path.dirname(contenderBin("dbt"))}:${process.env["PATH"] ?? ""}`,
        }),
      ),
    ];
    const summaries = await contest(contenders, { rounds, warmUp: 1, say });
    const get = getSummary(summaries);
    const ours = get("ours");
    const withoutHash = ours.medianS - (ours.extra["content hash s"] ?? 0);
    return {
      contenders: summaries,
      bars: [
        { name: "runtime_to_bare_sql", value: withoutHash / get("bare SQL").medianS, limit: 2 },
        { name: "runtime_to_dbt", value: ours.medianS / get("dbt").medianS, limit: 1, below: true },
        {
          name: "dagster_to_dagster_dbt",
          value: get("ours, dg launch").medianS / get("dagster-dbt, dg launch").medianS,
          limit: 1,
          below: true,
        },
      ],
    };
  },
});

/** A copy of the project with the same assets, without their declared checks, and whole tables: see `bench -- backfill`. */
function makeProject(): string {
  const project = freshProject("graph");
  cpSync(path.join(checkout, "sql"), path.join(project, "sql"), { recursive: true });
  cpSync(path.join(checkout, "assets"), path.join(project, "assets"), { recursive: true });
  const wanted = new Set<string>([...MODELS, ...SOURCES]);
  for (const file of globSync(`${project}/assets/**/*.ts`)) {
    if (!wanted.has(path.basename(file, ".ts"))) rmSync(file);
    else writeFileSync(file, stripOptions(readFileSync(file, "utf8"), ["checks", "partitions"]));
  }
  for (const file of globSync(`${project}/sql/**/*.sql`)) {
    writeFileSync(file, readFileSync(file, "utf8").replace(WINDOW, ""));
  }
  return project;
}

/** Seconds that our runtime says it spent in each phase, over all the assets of a run, from its ledger. */
async function phases(warehouse: string): Promise<Record<string, number>> {
  const instance = await DuckDBInstance.create(warehouse, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const names = ["stage", "check", "content_hash"];
  const sums = names.map((name) => `sum(CAST(json_extract(report, '$.metadata.seconds_${name}.raw_value') AS DOUBLE))`);
  const result = await connection.runAndReadAll(`SELECT ${sums.join(", ")} FROM _dagster_typescript.ledger`);
  connection.closeSync();
  instance.closeSync();
  return Object.fromEntries(
    names.map((name, index) => [`${name.replace("_", " ")} s`, Number(result.getRows()[0]?.[index])]),
  );
}
