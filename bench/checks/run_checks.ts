// Checks the table in DUCKDB_PATH with a suite, `all` or `rows`: `together`, or each check `singly`. Prints the seconds.
import { duckdb } from "../../resources/duckdb/kind.ts";
import type { Attempt, CheckContext } from "../../resources/store.ts";
import { ROW_SUITE, SUITE, TARGET } from "./suite.ts";

/** Of the suite, where it is warm: a single one takes too short. */
const ROUNDS = 5;

const signal = new AbortController().signal;
const nothing = (): void => undefined;
const attempt: Attempt = {
  ...{ runId: "bench", rootRunId: "bench", codeVersion: "bench", startedAt: new Date(), signal, log: nothing },
};
const context: CheckContext = {
  ...{ now: new Date(), window: null, history: [], signal },
  log: { debug: nothing, info: nothing, warning: nothing, error: nothing },
};
const store = await duckdb.open(process.cwd(), process.env);
const [suite, how] = process.argv.slice(2);
const chosen = suite === "rows" ? ROW_SUITE : SUITE;
// Reads the table once, which does not count; `cold` only opens the file.
await store.checkPublished(TARGET, null, how === "cold" ? [] : chosen, context, attempt);
const suites = how === "singly" ? chosen.map((check) => [check]) : [chosen];
const rounds = how === "cold" ? 1 : ROUNDS;
const cpu = process.cpuUsage();
const start = performance.now();
let passed = 0;
for (let round = 0; round < rounds; round += 1) {
  for (const checks of suites) {
    for (const outcome of await store.checkPublished(TARGET, null, checks, context, attempt)) {
      if (outcome.passed) passed += 1;
      else throw new Error(`${outcome.check.name}: ${outcome.error ?? outcome.measured ?? String(outcome.failedRows)}`);
    }
  }
}
const seconds = (performance.now() - start) / 1000 / rounds;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ seconds, cpu_s: (user + system) / 1e6 / rounds, passed: passed / rounds }));
await store.close();
