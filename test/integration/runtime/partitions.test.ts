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
