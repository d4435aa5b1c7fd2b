import { expect, test } from "vitest";
import { assetFile, createProject } from "./project.ts";

const DAYS = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"];
const midnight = (index: number): string => `2026-01-0${index + 1}T00:00:00Z`;
const RANGE = {
  partitionKeys: DAYS.slice(0, 3),
  window: { start: midnight(0), end: midnight(3) },
  windows: [0, 1, 2].map((index) => ({ start: midnight(index), end: midnight(index + 1) })),
};

/** Yields a row of each day; of the day in FAIL a bad end, of that in BAD a bad row. */
const ASSET = assetFile(
  "a/x",
  `columns: z.strictObject({ at: d.timestamp(), run: z.string(), n: z.int32() }),
  partitions: d.daily("at", { start: "2026-01-01" }), each: { concurrency: 2 },
  checks: [d.between("n", { max: 0 }), d.rowCount({ min: 1 })],
  body: { async *rows({ row, window, partitionKeys, log }) {
    const [day] = partitionKeys;
    log.info("body of " + partitionKeys.join());
    await new Promise((done) => setTimeout(done, 50));
    yield row({ at: window.start, run: process.env.RUN, n: day === process.env.BAD ? 1 : 0 });
    if (day === process.env.FAIL) throw new Error("the till is on fire");
  } }`,
);

interface Told {
  readonly outcome?: string;
  readonly failures?: readonly (readonly [string, string])[];
  readonly partitions?: readonly { readonly key: string; readonly row_count: number | null }[];
}
interface Messages {
  messages(): readonly { readonly method: string; readonly params: unknown }[];
}
const told = (run: Messages): Told[] =>
  run
    .messages()
    .filter(({ method }) => method === "report_custom_message")
    .map(({ params }) => (params as { payload: { dagster_typescript: Told } }).payload.dagster_typescript);

test("a partition that fails, fails alone: the others are published, and each is reported", async () => {
  const project = createProject({ "assets/a/x.ts": ASSET });
  const run = project.launch("a/x", { ...RANGE, env: { RUN: "one", FAIL: "2026-01-02" } });
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  const last = told(run).at(-1);
  expect(last).toMatchObject({ outcome: "partial", failures: [["2026-01-02", "Error: the till is on fire"]] });
  expect(told(run)[0]?.partitions?.map(({ key, row_count: count }) => [key, count])).toEqual([
    ["2026-01-01", 1],
    ["2026-01-03", 1],
  ]);
  expect(await project.query('SELECT CAST("at" AS DATE), run FROM a.x ORDER BY 1')).toEqual([
    ["2026-01-01", "one"],
    ["2026-01-03", "one"],
  ]);
  expect(project.staging()).toEqual([]);
});

test("a re-execution computes only the partitions that are not published, and reports them all", async () => {
  const project = createProject({ "assets/a/x.ts": ASSET });
  const root = { ...RANGE, rootRunId: "root" };
  await project.launch("a/x", { ...root, env: { RUN: "one", FAIL: "2026-01-02" } }).ended;
  const again = project.launch("a/x", { ...root, resume: true, env: { RUN: "two" } });
  expect((await again.ended).code).toBe(0);
  expect(told(again).at(-1)).toMatchObject({ outcome: "published" });
  expect(told(again)[0]?.partitions?.map(({ key }) => key)).toEqual(RANGE.partitionKeys);
  expect(await project.query('SELECT CAST("at" AS DATE), run FROM a.x ORDER BY 1')).toEqual([
    ["2026-01-01", "one"],
    ["2026-01-02", "two"],
    ["2026-01-03", "one"],
  ]);
});

test("a fresh run computes all that it was asked for", async () => {
  const project = createProject({ "assets/a/x.ts": ASSET });
  for (const run of ["one", "two"])
    expect((await project.launch("a/x", { ...RANGE, env: { RUN: run } }).ended).code).toBe(0);
  expect(await project.query("SELECT DISTINCT run FROM a.x")).toEqual([["two"]]);
});

test("a partition whose rows break a blocking check is refused alone, with its verdict", async () => {
  const project = createProject({ "assets/a/x.ts": ASSET });
  const run = project.launch("a/x", { ...RANGE, env: { RUN: "one", BAD: "2026-01-03" } });
  expect((await run.ended).code).toBe(0);
  expect(told(run).at(-1)).toMatchObject({
    outcome: "partial",
    failures: [["2026-01-03", "refused: between_n failed"]],
  });
  expect(told(run)[0]?.partitions?.map(({ key, row_count: count }) => [key, count])).toEqual([
    ["2026-01-01", 1],
    ["2026-01-02", 1],
    ["2026-01-03", null],
  ]);
  const progress = JSON.stringify(run.messages()).match(/\d of 3 partitions done/g);
  expect(progress).toEqual([1, 2, 3].map((done) => `${done} of 3 partitions done`));
  expect(await project.query("SELECT count(*) FROM a.x")).toEqual([["2"]]);
});
