import { expect, test } from "vitest";
import { assetFile, createProject } from "./project.ts";

const day = (date: string, next: string): { partitionKeys: string[]; window: { start: string; end: string } } => ({
  partitionKeys: [date],
  window: { start: `${date}T00:00:00+00:00`, end: `${next}T00:00:00+00:00` },
});

const daily = `columns: z.strictObject({ at: d.timestamp(), n: z.int32() }), partitions: d.daily("at", { start: "2026-01-01" })`;

test.each([
  ["rows", `body: { async *rows({ row, window }) { yield row({ at: window.start, n: Number(process.env.N) }); } }`],
  [
    "a query",
    "body: d.sql`SELECT ${d.window.start} AS at, CAST(${Number(process.env.N)} AS INTEGER) AS n WHERE ${d.window.start} < ${d.window.end}`",
  ],
])("a run of a partition leaves the others as they are: %s", async (_name, body) => {
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${daily}, ${body}`) });
  const launches = [
    { ...day("2026-01-02", "2026-01-03"), env: { N: "1" } },
    { ...day("2026-01-03", "2026-01-04"), env: { N: "2" } },
    { ...day("2026-01-02", "2026-01-03"), env: { N: "3" } },
  ];
  for (const launch of launches) {
    const run = project.launch("a/x", launch);
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const [reported] = run.messages().filter(({ method }) => method === "report_asset_materialization");
    expect(JSON.stringify(reported)).toContain('"dagster/partition_row_count":{"raw_value":1,"type":"int"}');
  }
  expect(await project.query('SELECT CAST("at" AS DATE), n FROM a.x ORDER BY n DESC')).toEqual([
    ["2026-01-02", "3"],
    ["2026-01-03", "2"],
  ]);
});

test("the verdicts of many checks on many partitions are told in whole messages", async () => {
  const names = Array.from({ length: 300 }, (_, n) => `a_check_with_quite_a_long_name_${n}`);
  const checks = `checks: ${JSON.stringify(names)}.map((name) => d.warn(d.named(name, d.rowCount({ min: 1 }))))`;
  const body = `body: { async *rows({ row }) { yield row({ at: new Date("2026-01-02T00:00:00Z"), n: 1 }); } }`;
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${daily}, ${checks}, ${body}`) });
  const midnights = Array.from({ length: 31 }, (_, n) => new Date(Date.UTC(2026, 0, 2 + n)).toISOString());
  const windows = midnights.slice(0, 30).map((start, n) => ({ start, end: midnights[n + 1] ?? "" }));
  const keys = windows.map(({ start }) => start.slice(0, 10));
  const window = { start: midnights[0] ?? "", end: midnights[30] ?? "" };
  const run = project.launch("a/x", { partitionKeys: keys, windows, window });
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  // How many break the rule, not how many rows there are.
  expect(JSON.stringify(run.messages())).toContain(`${names[0]} failed (29 of 30 partitions`);
  const custom = run.messages().filter(({ method }) => method === "report_custom_message");
  for (const message of custom) expect(JSON.stringify(message).length).toBeLessThan(250_000);
  const told = custom.flatMap(
    ({ params }) =>
      (params as { payload: { dagster_typescript: { partitions?: Reported[] } } }).payload.dagster_typescript
        .partitions ?? [],
  );
  expect(told.map(({ key, checks: verdicts }) => [key, verdicts.length])).toEqual(keys.map((key) => [key, 300]));
});

test("rows outside of the partition of the run are refused, and the table stays as it is", async () => {
  const body = `body: { async *rows({ row }) { yield row({ at: new Date(process.env.AT), n: 1 }); } }`;
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${daily}, ${body}`) });
  const launch = (at: string): Promise<{ code: number | null; stderr: string }> =>
    project.launch("a/x", { ...day("2026-01-02", "2026-01-03"), env: { AT: at } }).ended;
  expect((await launch("2026-01-02T12:00:00Z")).code).toBe(0);
  const refused = await launch("2026-01-03T00:00:00Z");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("outside of the partitions of this run");
  expect(await project.query("SELECT n FROM a.x")).toEqual([["1"]]);
  expect(project.staging()).toEqual([]);
});

const march = ["2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"];
/** In New York, clocks go forward on the 8th. */
const bounds = ["2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "2026-03-10T04:00:00Z"];
const range = {
  partitionKeys: march.slice(0, 3),
  window: { start: bounds[0] ?? "", end: bounds[3] ?? "" },
  windows: bounds.slice(0, 3).map((start, index) => ({ start, end: bounds[index + 1] ?? "" })),
};
const newYork = `partitions: d.daily("at", { start: "2026-01-01", timezone: "America/New_York" })`;

test.each([
  ["a timestamp", "d.timestamp()", (local: string) => new Date(`${local}T04:30:00Z`).toISOString()],
  ["a day", "d.date()", (local: string) => local],
])("a run of a range reports each partition by %s, on the partitions' own clock", async (_name, type, at) => {
  // Two rows of the 7th, none of the 8th, one of the 9th; as instants half an hour before midnight, an hour later there.
  const rows = type === "d.date()" ? ["2026-03-07", "2026-03-07", "2026-03-09"] : ["2026-03-08", "2026-03-08", "2026-03-10"]; // prettier-ignore
  const values = rows.map((row, n) => ({ at: at(row), n }));
  if (type !== "d.date()") values[2] = { at: "2026-03-10T03:30:00Z", n: 2 };
  const columns = `columns: z.strictObject({ at: ${type}, n: z.int32() })`;
  const yields = `for (const { at, n } of ${JSON.stringify(values)}) yield row({ at: ${type === "d.date()" ? "at" : "new Date(at)"}, n });`;
  const body = `body: { async *rows({ row }) { ${yields} } }`;
  const checks = `checks: [d.warn(d.rowCount({ min: 1 })), d.warn(d.between("n", { max: 0 }))]`;
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${columns}, ${newYork}, ${checks}, ${body}`) });
  const run = project.launch("a/x", range);
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  const custom = run.messages().filter(({ method }) => method === "report_custom_message");
  const payloads = custom.map(({ params }) => (params as { payload: { dagster_typescript: object } }).payload);
  const [{ partitions }] = payloads.map(({ dagster_typescript: one }) => one) as [{ partitions: Reported[] }];
  expect(partitions.map(({ key, row_count: count }) => [key, count])).toEqual([
    ["2026-03-07", 2],
    ["2026-03-08", 0],
    ["2026-03-09", 1],
  ]);
  expect(new Set(partitions.map(({ data_version: version }) => version)).size).toBe(3);
  expect(partitions.map(({ checks: verdicts }) => verdicts.map(([, passed]) => passed))).toEqual([
    [true, false],
    [false, true],
    [true, false],
  ]);
});

interface Reported {
  readonly key: string;
  readonly row_count: number;
  readonly data_version: string;
  readonly checks: readonly (readonly [string, boolean])[];
}
