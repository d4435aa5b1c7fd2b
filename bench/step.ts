// what a TypeScript step costs beside a Python one, and ten waits at once under three executors
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout, onStop, pythonBin } from "../ops/process.ts";
import { runBench } from "./lib/bench.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure } from "./lib/measure.ts";
import { median } from "./lib/median.ts";
import { freshFolder, freshProject } from "./lib/project.ts";

/** As in run_steps.py. */
const NO_OPS = 10;
const WAITS = 10;

/** What run_steps.py prints: seconds of each step, of all from the first start to the last end, and of the run. */
interface Steps {
  readonly steps: Readonly<Record<string, number>>;
  readonly span: number;
  readonly run: number;
}

onStop();
await runBench({
  name: "step",
  help: `Measures, between Dagster's events of real runs:
  no-op         the median step of ${NO_OPS} tasks in TypeScript and ${NO_OPS} in Python that do nothing, in turn in the same
                run, which is one process
  ${WAITS} waits      ${WAITS} independent tasks in TypeScript that each wait a second, from the first step's start to the last's
                end: under our executor, and under Dagster's multiprocess (limit ${WAITS}) and in_process executors`,
  rounds: 3,
  run: async ({ rounds, say }) => {
    const project = freshProject("step");
    writeTasks(project);
    await measure([process.execPath, "runtime/manifest.ts"], { cwd: project });
    const home = freshFolder("step", "home");
    copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(home, "dagster.yaml"));

    const steps = async (job: string): Promise<Steps & { readonly peakMb: number | undefined }> => {
      const { stdout, peakMb } = await measure([pythonBin("python"), `${checkout}/bench/step/run_steps.py`, job], {
        env: { PYTHONPATH: project, BENCH_PROJECT: project, DAGSTER_HOME: home },
      });
      return { ...(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Steps), peakMb };
    };
    let noOps = steps("no_ops");
    const noOp = (language: "typescript" | "python"): Contender => ({
      name: `no-op, ${language}`,
      run: async () => {
        // Both languages are in one run; the first of the two makes it.
        if (language === "typescript") noOps = steps("no_ops");
        const { steps: all, peakMb } = await noOps;
        const own = Object.entries(all).flatMap(([key, seconds]) => (key.endsWith(language) ? [seconds] : []));
        if (own.length !== NO_OPS) throw new Error(`${own.length} steps in ${language}`);
        return { seconds: median(own), peakMb };
      },
    });
    const waits = (executor: string): Contender => ({
      name: `${WAITS} waits, ${executor}`,
      run: async () => {
        const { steps: all, span, run, peakMb } = await steps(`waits_${executor}`);
        if (Object.keys(all).length !== WAITS) throw new Error(`${Object.keys(all).length} steps under ${executor}`);
        return { seconds: span, peakMb, extra: { "whole run s": run } };
      },
    });
    await noOps;
    const summaries = await contest(
      [noOp("typescript"), noOp("python"), waits("threaded"), waits("multiprocess"), waits("in_process")],
      { rounds, warmUp: 0, say },
    );
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [
        {
          name: "noop_overhead_s",
          value: get("no-op, typescript").medianS - get("no-op, python").medianS,
          limit: 0.35,
        },
        { name: "ten_waits_s", value: get(`${WAITS} waits, threaded`).medianS, limit: 3 },
      ],
    };
  },
});

/** Writes the tasks: some that do nothing, some that wait. */
function writeTasks(project: string): void {
  const write = (key: string, body: string): void => {
    const file = path.join(project, "assets", `${key}.ts`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(
      file,
      `import { defineAsset } from "dagster-typescript";
export const ${path.basename(key)} = defineAsset("${key}", { description: "A task.", body: { ${body} } });
`,
    );
  };
  for (let number = 0; number < NO_OPS; number += 1) write(`noop/no_op_${number}_typescript`, "async task() {}");
  for (let number = 0; number < WAITS; number += 1) {
    write(`waits/wait_${number}`, "async task() { await new Promise((resolve) => setTimeout(resolve, 1000)); }");
  }
}
