import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { literal } from "../../../resources/quote.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import type { OpenStore } from "./open_store.ts";
import { attempt } from "../clickhouse/warehouse_values.ts";
import { type Job, type Layout, targetOfJob } from "./publish_until_killed.ts";

/** A way of writing that is killed. */
export interface KillCase {
  readonly body: Job["body"];
  readonly kind: WriteStrategy["kind"];
  /** Whether a view hangs on the table. @default false */
  readonly hasView?: boolean;
  readonly layout?: Layout;
}

/** When a process is killed: so long after it began to work, or had its rows staged. */
export interface Kill {
  readonly after: "began" | "staged";
  readonly ms: number;
}

/** What came of the kills of one case. */
export interface KillReport {
  /** Killed before the rows were staged, before the run had published, and not at all: it was quicker. */
  readonly staging: number;
  readonly publishing: number;
  readonly finished: number;
  /** How often others looked at the table meanwhile. */
  readonly reads: number;
}

const ROWS = 20_000;
export const BASE_AT = "2017-01-01T00:00:00.000Z";
export const AT = "2017-01-02T00:00:00.000Z";
export const DAY = { start: new Date("2017-01-02T00:00:00Z"), end: new Date("2017-01-03T00:00:00Z") };
const TIDY_MS = 60_000;
const READ_EVERY_MS = 20;

/** A case as people call it. */
export function killCaseName({ body, kind, hasView, layout }: KillCase): string {
  const view = hasView === true ? ", under a view" : "";
  const { clickhouse, postgres } = layout ?? {};
  const own =
    clickhouse === undefined ? "" : `, partitioned by ${clickhouse.partitionBy}, ${clickhouse.replacePartitions}`;
  const parts = postgres === undefined ? "" : ", partitioned and indexed";
  return `${body}, ${kind}${own}${parts}${view}`;
}

/** The cases of a store. */
export function killCases({ kind }: OpenStore): readonly KillCase[] {
  const cases: KillCase[] = [
    { body: "rows", kind: "replace" },
    { body: "query", kind: "replacePartitions" },
    { body: "rows", kind: "append" },
    { body: "query", kind: "merge" },
    { body: "copy", kind: "replace" },
  ];
  const partitioned = (partitionBy: string, replacePartitions: "atOnce" | "oneByOne"): KillCase => ({
    ...{ body: "query", kind: "replacePartitions", layout: { clickhouse: { partitionBy, replacePartitions } } },
  });
  if (kind.name === "clickhouse") {
    cases.push(partitioned("toYYYYMMDD(at)", "atOnce"), partitioned("toStartOfHour(at)", "atOnce"));
    cases.push(partitioned("toStartOfHour(at)", "oneByOne"));
  }
  if (kind.name === "postgres") {
    const layout: Layout = {
      postgres: { partitionBy: { column: "at", every: "week" }, indexes: [{ columns: ["id"] }] },
    };
    cases.push({ body: "rows", kind: "append", layout }, { body: "query", kind: "replace", layout });
    // Replaced by a swap, or in place where a view keeps the table from being swapped.
    cases.push({ body: "query", kind: "replace", hasView: true });
    cases.push({ body: "query", kind: "replace", layout, hasView: true });
    cases.push({ body: "view", kind: "replace", hasView: true }, { body: "refresh", kind: "replace", hasView: true });
  }
  return cases;
}

/** Deals kills out to the cases of a store, every other one while it publishes, which may be a small part of a run. */
export function dealKills(
  times: number,
  cases: readonly KillCase[],
): readonly { readonly one: KillCase; readonly kills: readonly Kill["after"][] }[] {
  const kills = Array.from({ length: times }, (_, index) => (index % 2 === 0 ? "began" : "staged"));
  const first = (index: number): number => Math.floor((times * index) / cases.length);
  return cases.map((one, index) => ({ one, kills: kills.slice(first(index), first(index + 1)) }));
}

/**
 * Kills the process of a publish at random moments, and runs it again each time: then the table is exact, nothing is
 * left behind, and whoever looked meanwhile saw whole publishes.
 *
 * @param kills From where on each moment is random.
 * @throws Error that says what was lost, doubled, partial or left behind
 */
export async function killAndRerun(
  open: OpenStore,
  one: KillCase,
  kills: readonly Kill["after"][],
): Promise<KillReport> {
  const schema = `kill_${randomUUID().slice(0, 8)}`;
  const assetKey = `${schema}/x`;
  const table = open.table(assetKey);
  const job = (kill: number): Job => ({
    body: one.body,
    assetKey,
    strategy: strategyOf(one),
    rootRunId: `root_${kill}`,
    first: firstOf(one, kill),
    count: ROWS,
    at: AT,
    file: join(open.folder, `${schema}.parquet`),
    layout: one.layout ?? {},
  });
  const query = (text: string): Promise<(string | null)[][]> => open.query(text);

  // A table that is there already, whose rows lie outside of the partition that is replaced.
  const base: Job = { ...job(0), strategy: { kind: "replace" }, at: BASE_AT };
  if (one.body === "refresh") {
    await query(`CREATE SCHEMA ${open.quote(schema)}`);
    await query(`CREATE TABLE ${open.table(`${schema}/root`)} AS SELECT 'none' AS root`);
  }
  let usual = await run(open, base);
  if (one.hasView === true) await query(`CREATE VIEW ${open.table(`${schema}/v`)} AS SELECT * FROM ${table}`);

  let current = 0;
  const wrong = new Set<string>();
  let reads = 0;
  const done = new AbortController();
  const states = async (): Promise<string> =>
    stateText(
      new Map((await query(`SELECT run, count(*) FROM ${table} GROUP BY run`)).map(([r, n]) => [r ?? "", Number(n)])),
    );
  const reading = (async () => {
    while (open.hasReaders && !done.signal.aborted) {
      const first = Math.max(0, current - 1);
      const seen = await states();
      reads += 1;
      const allowed = Array.from({ length: current - first + 1 }, (_, index) =>
        stateText(expected(one, first + index)),
      );
      // Partition by partition is what that asset chose.
      const isWhole = one.layout?.clickhouse?.replacePartitions !== "oneByOne";
      if (isWhole && !allowed.includes(seen)) wrong.add(`a reader saw ${seen}, not ${allowed.join(" or ")}`);
      await wait(READ_EVERY_MS);
    }
  })();
  // Whoever waits for it hears of its fault.
  reading.catch(() => undefined);

  const ends = { staging: 0, publishing: 0, finished: 0 };
  for (const [index, after] of kills.entries()) {
    const kill = index + 1;
    current = kill;
    const usualMs = after === "began" ? usual.stageMs : usual.publishMs;
    const killed = await run(open, job(kill), { after, ms: usualMs * Math.random() });
    ends[killed.said.includes("published") ? "finished" : killed.said.includes("staged") ? "publishing" : "staging"] +=
      1;
    const rerun = await run(open, job(kill));
    const where = `after kill ${kill}, which was within ${usualMs.toFixed(0)} ms after it had ${after}`;
    if (!rerun.said.includes("published")) throw new Error(`${where}, the rerun failed:\n${rerun.said}`);
    if (rerun.said.includes("staged")) usual = rerun;
    const found = await states();
    const wanted = stateText(expected(one, kill));
    if (found !== wanted) throw new Error(`${where}, the table holds ${found}, not ${wanted}`);
    const [distinct] = await query(`SELECT count(*) - count(DISTINCT id) FROM ${table}`);
    if (distinct?.[0] !== "0") throw new Error(`${where}, ${distinct?.[0] ?? ""} rows are doubled`);
  }
  done.abort();
  await reading;
  if (wrong.size > 0) throw new Error([...wrong].join("\n"));

  // What a killed process left goes with the next run; the server may need a moment to notice its end.
  const deadline = performance.now() + TIDY_MS;
  const known = ["x", "v", "root"];
  let left: string[];
  for (;;) {
    await open.store.removeOrphans(() => false);
    left = await open.leftovers(schema, known);
    if (left.length === 0 || performance.now() > deadline) break;
    await wait(50);
  }
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  const roots = await publishedRoots(open, base);
  if (roots.size !== kills.length + 1) throw new Error(`the ledger knows ${roots.size} of ${kills.length + 1} runs`);
  return { ...ends, reads };
}

/**
 * The root runs in the ledger, as the store reads it: in ClickHouse the line of a process that died right after its
 * exchange is with the prepared ones until the next publish, and a rerun of that process does not publish again.
 */
async function publishedRoots(open: OpenStore, job: Job): Promise<ReadonlySet<string>> {
  const store = await open.kind.open(open.folder, open.env);
  try {
    const entries = await store.recentPublishes(targetOfJob(job), attempt(), { limit: 10_000, ofPartitions: null });
    return new Set(entries.map(({ rootRunId }) => rootRunId));
  } finally {
    await store.close();
  }
}

function strategyOf({ kind }: KillCase): WriteStrategy {
  switch (kind) {
    case "replacePartitions":
      return { kind, partitions: { kind: "window", column: "at", ...DAY } };
    case "merge":
      return { kind, key: ["id"] };
    case "replace":
    case "append":
      return { kind };
  }
}

/** A merge replaces the second half of the run before it. */
function firstOf({ kind }: KillCase, kill: number): number {
  return kind === "merge" ? (kill * ROWS) / 2 : kill * ROWS;
}

/** How many rows of which run the table holds after a run. */
function expected({ kind }: KillCase, kill: number): ReadonlyMap<string, number> {
  const last: [string, number] = [`root_${kill}`, ROWS];
  switch (kind) {
    case "replace":
      return new Map([last]);
    case "replacePartitions":
      return new Map([["root_0", ROWS], last]);
    case "append":
    case "merge": {
      const rows = kind === "merge" ? ROWS / 2 : ROWS;
      return new Map([...Array.from({ length: kill }, (_, run): [string, number] => [`root_${run}`, rows]), last]);
    }
  }
}

function stateText(state: ReadonlyMap<string, number>): string {
  const parts = [...state].map(([root, count]) => `${root}: ${count}`).sort();
  return `{ ${parts.join(", ")} }`;
}

/** Publishes in a process of its own; resolves, when it has ended, with what it said and how long it staged and published. */
export async function run(
  open: OpenStore,
  job: Job,
  kill?: Kill,
): Promise<{ readonly said: string; readonly stageMs: number; readonly publishMs: number }> {
  if (job.body === "copy") await writeParquet(job);
  if (job.body === "refresh")
    await open.query(
      `UPDATE ${open.table(job.assetKey.replace(/[^/]*$/, "root"))} SET root = ${literal(job.rootRunId)}`,
    );
  const script = join(import.meta.dirname, "publish_until_killed.ts");
  const child = spawn(process.execPath, [script, open.kind.name, JSON.stringify(job)], {
    env: { ...process.env, ...open.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const at = { began: 0, staged: 0, published: 0 };
  let timer: NodeJS.Timeout | undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    for (const word of ["began", "staged", "published"] as const) {
      if (at[word] !== 0 || !said.includes(word)) continue;
      at[word] = performance.now();
      if (kill?.after === word) timer = setTimeout(() => child.kill("SIGKILL"), kill.ms);
    }
  });
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  if (job.body === "copy") rmSync(job.file, { force: true });
  if (kill === undefined && code !== 0) throw new Error(`a publish that nobody killed failed:\n${said}`);
  return { said, stageMs: at.staged - at.began, publishMs: at.published - at.staged };
}

async function writeParquet({ file, rootRunId, first, count, at }: Job): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const rows = `SELECT n AS id, ${literal(at)}::TIMESTAMPTZ + to_hours(n % 24) AS at, ${literal(rootRunId)} AS run
    FROM range(${first}, ${first + count}) AS numbers(n)`;
  await connection.run(`COPY (${rows}) TO ${literal(file)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}
