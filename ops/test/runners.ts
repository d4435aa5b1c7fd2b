// The two test runners, and how their reports are counted.
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { npmBin, pythonBin, run } from "../process.ts";

/** What came of some tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Failures that are no test's own, such as a runner that crashed: one line each, counted in `failed`. */
  readonly faults: readonly string[];
}

/** A test runner of one language. */
export interface Runner {
  readonly language: string;
  readonly pattern: string;
  /** @param show Whether its output is shown as it comes; else it is returned. */
  readonly run: (
    files: readonly string[],
    show: boolean,
  ) => Promise<{ readonly counts: Counts; readonly output: string }>;
}

/** Runs the files with vitest. */
export const runVitest: Runner["run"] = async (files, show) => {
  const report = freshReport("vitest.json");
  const { code, output } = await run(
    npmBin("vitest"),
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...files],
    { show },
  );
  return { counts: checked("vitest", code, countVitest(tryRead(report))), output };
};

/** Runs the files with pytest. */
export const runPytest: Runner["run"] = async (files, show) => {
  const report = freshReport("pytest.xml");
  const { code, output } = await run(
    pythonBin("python"),
    ["-m", "pytest", "--continue-on-collection-errors", `--junitxml=${report}`, ...files],
    { show },
  );
  return { counts: checked("pytest", code, countPytest(tryRead(report))), output };
};

const NOTHING: Counts = { passed: 0, failed: 0, skipped: 0, faults: [] };

/** A runner that fails without a failed test has crashed, and one that ran no test did not do what it was asked. */
function checked(runner: string, code: number, counts: Counts): Counts {
  const { passed, failed, skipped } = counts;
  if (code !== 0 && failed === 0) return withFault(counts, `${runner} ended with ${code}`);
  if (passed + failed + skipped === 0) return withFault(counts, `${runner} ran no test`);
  return counts;
}

function withFault(counts: Counts, fault: string): Counts {
  return { ...counts, failed: counts.failed + 1, faults: [...counts.faults, fault] };
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Counts a vitest JSON report; `undefined` when the runner did not get as far as writing one. */
function countVitest(text: string | undefined): Counts {
  if (text === undefined) return NOTHING;
  let counts = NOTHING;
  for (const file of (JSON.parse(text) as VitestReport).testResults) {
    const count = (...statuses: string[]): number =>
      file.assertionResults.filter(({ status }) => statuses.includes(status)).length;
    const passed = count("passed");
    const skipped = count("skipped", "todo");
    // The rest failed, or never ran because its process died.
    const failed = file.assertionResults.length - passed - skipped;
    counts = {
      passed: counts.passed + passed,
      failed: counts.failed + failed,
      skipped: counts.skipped + skipped,
      faults: counts.faults,
    };
    if (file.status === "failed" && failed === 0) {
      counts = withFault(counts, `${path.relative("", file.name)} failed outside of its tests`);
    }
  }
  return counts;
}

/** Counts a JUnit report of pytest, in which a collection error is an error with no test run. */
function countPytest(text: string | undefined): Counts {
  const suite = /<testsuite\b[^>]*>/.exec(text ?? "")?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count("errors") + count("failures");
  const skipped = count("skipped");
  return { passed: Math.max(0, count("tests") - failed - skipped), failed, skipped, faults: [] };
}

function freshReport(name: string): string {
  // Two may run at once, here and of another `npm test`.
  const report = path.resolve(".state/reports", `${randomUUID()}-${name}`);
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  return report;
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  } finally {
    rmSync(file, { force: true });
  }
}
