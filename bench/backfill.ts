// a year of daily partitions, beside the bare SQL, a Python graph of no-ops, and dbt microbatches
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout, onStop, pythonBin } from "../ops/process.ts";
import { writeMicrobatches } from "./backfill/microbatches.ts";
import { stripOptions } from "./graph/strip_options.ts";
import { fingerprint, makeTemplate } from "./graph/template.ts";
import { runBench } from "./lib/bench.ts";
import { contenderBin, installContenders } from "./lib/contenders_env.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure, type Measured } from "./lib/measure.ts";
import { median } from "./lib/median.ts";
import { freshFolder, freshProject } from "./lib/project.ts";

/** Tables, and the columns by which they are partitioned. */
const MODELS = { cleaned_events: "occurred_at", sales_hourly: "hour", sales_daily: "day" } as const;
const NAMES = Object.keys(MODELS);
const KEYS = NAMES.map((name) => `retail/${name}`);
const SOURCES = ["raw_events", "products"];
const DAYS = Array.from({ length: 365 }, (_, day) => new Date(Date.UTC(2017, 0, 1 + day)).toISOString().slice(0, 10));
const YEAR = `${DAYS[0] ?? ""}...${DAYS.at(-1) ?? ""}`;
/** Days of the year that are run one by one, and how many runs of thirty: the rest is extrapolated. */
const SINGLE_RUNS = 20;
const RUNS_OF_30 = 3;
/** Days that dbt computes, first few and then more of them: what a day more costs, and what the start does. */
const DBT_DAYS = [5, 25] as const;

onStop();
await runBench({
  name: "backfill",
  help: `Computes ${NAMES.join(", ")} over loaded lines, 365 daily partitions each.
Each contender is the whole command, from the start of its process to its end, and computes tables that are there already.
"ours, 30 per run" and "ours, 1 per run" are ${RUNS_OF_30} and ${SINGLE_RUNS} runs, "dbt microbatch" is ${DBT_DAYS.join(" and ")} days; all three are
extrapolated to the year. "no-op, dg launch" is a Python graph whose steps do nothing but record the same events, as many
materializations and verdicts. "tick" is the median tick of a sensor that does nothing.`,
  rounds: 3,
  parts: ["ticks", "runtime", "dagster", "short_runs", "dbt"],
  run: async ({ rounds, parts, say }) => {
    const has = (...some: string[]): boolean => some.some((part) => parts.includes(part));
    if (has("dbt")) await installContenders(say);
    say("preparing the projects and the loaded tables");
    const work = freshFolder("backfill", "work");
    const template = path.join(work, "template.duckdb");
    await makeTemplate(template, path.join(checkout, "data/completejourney"));
    const project = makeProject("with_checks", false);
    const unchecked = makeProject("without_checks", true);
    const warehouse = path.join(work, "warehouse.duckdb");
    const environment = {
      DUCKDB_PATH: warehouse,
      DBT_SEND_ANONYMOUS_USAGE_STATS: "0",
      DAGSTER_DG_UPDATE_CHECK_ENABLED: "0",
      // As the launcher sets it for every step.
      NODE_COMPILE_CACHE: path.join(work, "compile_cache"),
    };
    for (const each of [project, unchecked])
      await measure([process.execPath, "runtime/manifest.ts"], { cwd: each, env: environment });

    // The tables are there, with a ledger, so that each contender replaces rows: a backfill is seldom the first load.
    copyFileSync(template, warehouse);
    const alone = [process.execPath, "runtime/main.ts", "--partitions", YEAR, ...KEYS] as const;
    await measure(alone, { cwd: unchecked, env: environment });
    copyFileSync(warehouse, template);
    const expected = await fingerprint(template, NAMES);

    const over =
      (act: () => Promise<Measured>, check = true): (() => Promise<Measured>) =>
      async () => {
        for (const file of globSync(`${warehouse}*`)) rmSync(file, { recursive: true });
        copyFileSync(template, warehouse);
        const measured = await act();
        const found = check ? await fingerprint(warehouse, NAMES) : expected;
        if (found !== expected) throw new Error(`not the same tables:\n${found}\n${expected}`);
        return measured;
      };
    const bare = writeBareSql(work);
    const graph = path.join(work, "graph.json");
    writeFileSync(graph, JSON.stringify(graphOf(project)));
    const home = (name: string): string => {
      const folder = freshFolder("backfill", `home_${name}`);
      copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(folder, "dagster.yaml"));
      return folder;
    };
    const selection = KEYS.map((key) => `key:"${key}"`).join(" or ");
    const launch = (cwd: string, homeFolder: string, range: string, extra: Record<string, string> = {}) =>
      measure([pythonBin("dg"), "launch", "--assets", selection, "--partition-range", range], {
        cwd,
        env: { ...environment, DAGSTER_HOME: homeFolder, PYTHONPATH: cwd, ...extra },
      });
    const ourHome = home("ours");
    const noop = makeNoopProject();
    const noopHome = home("noop");
    /** Some runs of a part of the year each, as if they were all of it. */
    const extrapolated = (name: string, size: number, runs: number): Contender => {
      const own = home(name);
      return {
        name: `ours, ${size} per run`,
        run: over(async () => {
          let seconds = 0;
          for (let index = 0; index < runs; index += 1) {
            const keys = DAYS.slice(index * size, (index + 1) * size);
            const part = await launch(project, own, `${keys[0] ?? ""}...${keys.at(-1) ?? ""}`);
            seconds += part.seconds;
          }
          return { seconds: (seconds * DAYS.length) / (runs * size), extra: { "measured s": seconds } };
        }),
      };
    };
    const dbt = freshFolder("backfill", "dbt");
    writeMicrobatches(dbt, sqlOf(project), MODELS, SOURCES);
    const dbtTo = (day: string): Promise<Measured> =>
      measure(
        [contenderBin("dbt"), ...["run", "--quiet", "--event-time-start", DAYS[0] ?? "", "--event-time-end", day]],
        { cwd: dbt, env: environment },
      );
    const microbatch = async (): Promise<Measured> => {
      await measure([contenderBin("dbt"), "--quiet", "parse"], { cwd: dbt, env: environment });
      const [few, more] = DBT_DAYS;
      const [first, second] = [await dbtTo(DAYS[few] ?? ""), await dbtTo(DAYS[more] ?? "")];
      const year = (short: number, long: number): number =>
        short + ((long - short) / (more - few)) * (DAYS.length - few);
      return {
        seconds: year(first.seconds, second.seconds),
        cpuS: year(first.cpuS ?? 0, second.cpuS ?? 0),
        extra: { "measured s": first.seconds + second.seconds },
      };
    };

    let ticks: ReturnType<typeof evaluateTicks> | undefined;
    const sensors = makeSensorProject();
    if (has("ticks")) {
      await measure([process.execPath, "runtime/manifest.ts"], { cwd: sensors });
      ticks = evaluateTicks(sensors);
      await ticks;
    }
    const tick = (name: string, key: "bench__nothing" | "plain"): Contender => ({
      name,
      run: async () => {
        // One process evaluates both in turn; the first of the two makes it.
        if (key === "bench__nothing") ticks = evaluateTicks(sensors);
        return { seconds: median((await ticks)?.[key] ?? []) };
      },
    });

    const only = (isWanted: boolean, ...contenders: Contender[]): Contender[] => (isWanted ? contenders : []);
    const summaries = await contest(
      [
        ...only(has("ticks"), tick("tick, TypeScript", "bench__nothing"), tick("tick, Python", "plain")),
        ...only(
          has("runtime"),
          {
            name: "bare SQL",
            run: over(() => measure([process.execPath, `${checkout}/bench/graph/bare_sql.ts`, warehouse, ...bare])),
          },
          { name: "ours, no checks", run: over(() => measure(alone, { cwd: unchecked, env: environment })) },
        ),
        ...only(has("runtime", "dagster"), {
          name: "ours",
          run: over(() => measure(alone, { cwd: project, env: environment })),
        }),
        ...only(
          has("dagster"),
          { name: "ours, dg launch", run: over(() => launch(project, ourHome, YEAR)) },
          { name: "no-op, dg launch", run: over(() => launch(noop, noopHome, YEAR, { BENCH_GRAPH: graph })) },
        ),
      ],
      { rounds, warmUp: 1, say },
    );
    // Minutes each, and shown beside the others only.
    const slow = await contest(
      [
        ...only(has("short_runs"), extrapolated("thirty", 30, RUNS_OF_30), extrapolated("single", 1, SINGLE_RUNS)),
        ...only(has("dbt"), { name: "dbt microbatch", run: over(microbatch) }),
      ],
      { rounds: 1, warmUp: 0, say },
    );
    const get = getSummary(summaries);
    return {
      contenders: [...summaries, ...slow],
      bars: [
        ...(has("runtime")
          ? [
              {
                name: "runtime_to_bare_sql",
                value: get("ours, no checks").medianS / get("bare SQL").medianS,
                limit: 2.2,
              },
            ]
          : []),
        ...(has("dagster")
          ? [
              {
                name: "dagster_to_noop",
                value: (get("ours, dg launch").medianS - get("ours").medianS) / get("no-op, dg launch").medianS,
                limit: 1.2,
              },
            ]
          : []),
        ...(has("ticks")
          ? [
              {
                name: "tick_overhead_s",
                value: get("tick, TypeScript").medianS - get("tick, Python").medianS,
                limit: 0.3,
              },
            ]
          : []),
      ],
    };
  },
});

/** A project with a sensor that does nothing. */
function makeSensorProject(): string {
  const project = freshProject("backfill/sensors");
  mkdirSync(path.join(project, "assets/bench"));
  writeFileSync(
    path.join(project, "assets/bench/nothing.ts"),
    `import { defineAsset, defineSensor, sql, z } from "dagster-typescript";

const columns = z.strictObject({ id: z.int32() });
export const nothing = defineSensor("bench/nothing", {
  description: "Asks for nothing.",
  assets: [defineAsset("bench/table", { description: "x", columns, body: sql\`SELECT 1::INTEGER AS id\` })],
  evaluate: () => ({ skip: "nothing" }),
});
`,
  );
  return project;
}

async function evaluateTicks(project: string): Promise<Readonly<Record<"bench__nothing" | "plain", number[]>>> {
  const { stdout } = await measure([pythonBin("python"), `${checkout}/bench/backfill/ticks.py`, project], {
    env: { PYTHONPATH: project },
  });
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<"bench__nothing" | "plain", number[]>;
}

/** A copy of the project with the assets of the backfill and those that they read. */
function makeProject(name: string, withoutChecks: boolean): string {
  const project = freshProject(`backfill/${name}`);
  for (const part of ["sql", "assets"])
    cpSync(path.join(checkout, part), path.join(project, part), { recursive: true });
  const wanted = new Set([...NAMES, ...SOURCES]);
  for (const file of globSync(`${project}/assets/**/*.ts`)) {
    if (!wanted.has(path.basename(file, ".ts"))) rmSync(file);
    else if (withoutChecks) writeFileSync(file, stripOptions(readFileSync(file, "utf8"), ["checks"]));
  }
  return project;
}

function sqlOf(project: string): { readonly name: keyof typeof MODELS; readonly sql: string }[] {
  return (Object.keys(MODELS) as (keyof typeof MODELS)[]).map((name) => ({
    name,
    sql: readFileSync(path.join(project, "sql/retail", `${name}.sql`), "utf8"),
  }));
}

/** One statement a table, over the whole year. */
function writeBareSql(work: string): string[] {
  return sqlOf(checkout).map(({ name, sql }) => {
    const file = path.join(work, `${name}.sql`);
    const query = sql
      .replaceAll("{window.start}", "TIMESTAMPTZ '2017-01-01 00:00:00+00'")
      .replaceAll("{window.end}", "TIMESTAMPTZ '2018-01-01 00:00:00+00'")
      .replaceAll(/\{(\w+)\}/g, "retail.$1");
    writeFileSync(file, `CREATE OR REPLACE TABLE retail.${name} AS\n${query}`);
    return file;
  });
}

interface GraphAsset {
  readonly key: readonly string[];
  readonly deps: readonly (readonly string[])[];
  readonly checks: readonly string[];
}

/** What the no-ops imitate. */
function graphOf(project: string): GraphAsset[] {
  const manifest = JSON.parse(readFileSync(path.join(project, "manifest.json"), "utf8")) as {
    readonly assets: readonly (Omit<GraphAsset, "checks"> & {
      readonly checks: readonly { readonly name: string }[];
    })[];
  };
  return manifest.assets
    .filter(({ key }) => KEYS.includes(key.join("/")))
    .map(({ key, deps, checks }) => ({ key, deps, checks: checks.map(({ name }) => name) }));
}

function makeNoopProject(): string {
  const folder = freshFolder("backfill", "noop");
  mkdirSync(path.join(folder, "noop_location"));
  writeFileSync(path.join(folder, "noop_location/__init__.py"), "");
  copyFileSync(`${checkout}/bench/backfill/noop_location.py`, path.join(folder, "noop_location/definitions.py"));
  writeFileSync(
    path.join(folder, "pyproject.toml"),
    `[project]
name = "noop-location"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "noop_location"
`,
  );
  return folder;
}
