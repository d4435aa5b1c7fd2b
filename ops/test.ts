// `npm test`: all tests of both languages, counted together.
import { existsSync, globSync } from "node:fs";
import path from "node:path";
import { styleText } from "node:util";
import { parseOptions } from "../runtime/parse_options.ts";
import { onStop } from "./process.ts";
import { runPytest, runVitest, type Counts, type Runner } from "./test/runners.ts";

const USAGE = `npm test -- [PART…]

Runs all tests, TypeScript (vitest) and Python (pytest), and ends with "N passed, N failed".

  PART      unit, integration, e2e, or a piece of a path: test/unit/pipes, quarantine, …
            Several parts: the tests of any of them.
  --help    this text

What is too long for this: npm run soak. One test by its name: npx vitest run -t "name", .venv/bin/pytest -k name`;

/** In this order, because what is quick to fail should fail first. Anything else under test/ comes last. */
const STAGES = ["unit", "integration", "e2e"] as const;
const LAST_STAGE = "other";

interface Batch {
  readonly stage: string;
  readonly runner: Runner;
  readonly files: readonly string[];
}

const parts = parseOptions(USAGE, { allowPositionals: true }, ({ positionals }) => positionals);
if (parts !== undefined) {
  onStop();
  // The tests start hundreds of Node processes, many in projects of their own: this halves what their start costs.
  process.env["NODE_COMPILE_CACHE"] ??= path.resolve(".state/compile_cache");
  process.exitCode = await testAll(parts);
}

async function testAll(parts: readonly string[]): Promise<number> {
  const batches = batchesFor(parts);
  if (batches.length === 0) console.error(`No test matches ${parts.join(", ") || "test/"}. See npm test -- --help`);

  const results: { batch: Batch; counts: Counts; seconds: number }[] = [];
  const waiting = batches.values();
  // Two side by side: where one waits, for Dagster or a server, the other works.
  await Promise.all(
    [true, false].map(async (show) => {
      for (const batch of waiting) results.push(await runBatch(batch, show));
    }),
  );

  console.log("");
  for (const { batch, counts, seconds } of results) {
    const mark = counts.failed === 0 ? styleText("green", "ok    ") : styleText("red", "failed");
    console.log(`${mark} ${batch.stage}, ${batch.runner.language}: ${summary(counts)}, ${seconds.toFixed(1)} s`);
    for (const fault of counts.faults) console.log(`       ${fault}`);
  }
  const total = (key: "passed" | "failed" | "skipped"): number =>
    results.reduce((sum, { counts }) => sum + counts[key], 0);
  const all = { passed: total("passed"), failed: total("failed"), skipped: total("skipped") };
  console.log(`\n${summary(all)}`);
  return all.failed > 0 || all.passed === 0 ? 1 : 0;
}

/** @param show Whether its output is shown as it comes; else once it has ended, since two at once cannot be read. */
async function runBatch(batch: Batch, show: boolean): Promise<{ batch: Batch; counts: Counts; seconds: number }> {
  const title = `${batch.stage}, ${batch.runner.language}`;
  console.log(`\n${styleText("bold", `${title}: ${batch.files.length} files`)}`);
  const start = performance.now();
  const { counts, output } = await batch.runner.run(batch.files, show);
  if (!show) console.log(`\n${styleText("bold", `What ${title} said`)}\n${output}`);
  return { batch, counts, seconds: (performance.now() - start) / 1000 };
}

function summary({ passed, failed, skipped }: Omit<Counts, "faults">): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function batchesFor(parts: readonly string[]): Batch[] {
  const runners: readonly Runner[] = [
    { language: "TypeScript", pattern: "test/**/*.test.ts", run: runVitest },
    { language: "Python", pattern: "test/**/test_*.py", run: runPytest },
  ];
  return [...STAGES, LAST_STAGE].flatMap((stage) =>
    runners
      .map((runner) => ({
        stage,
        runner,
        files: globSync(runner.pattern, { exclude: (name) => /(^|\/)(fixtures|node_modules)$/.test(name) })
          .map((file) => file.split(path.sep).join("/"))
          .filter((file) => stageOf(file) === stage && isWanted(file, parts))
          .sort(),
      }))
      .filter(({ files }) => files.length > 0),
  );
}

function stageOf(file: string): string {
  return STAGES.find((stage) => file.startsWith(`test/${stage}/`)) ?? LAST_STAGE;
}

function isWanted(file: string, parts: readonly string[]): boolean {
  if (parts.length === 0) return true;
  return parts.some((part) => {
    if (STAGES.some((stage) => stage === part)) return stageOf(file) === part;
    const piece = existsSync(part) ? path.relative("", part) : part.replace(/^\.\//, "");
    return file.includes(piece);
  });
}
