import { expect, test } from "vitest";
import { assetFile, createProject, type Launch, type Project } from "./project.ts";

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

/** Cells of days in January 2026 and shops: `2|a`. */
function cells(...names: readonly string[]): Launch {
  const parts = names.map((name) => name.split("|") as [string, string]);
  const midnight = (day: number): string => `2026-01-0${day}T00:00:00Z`;
  const windows = parts.map(([day]) => ({ start: midnight(Number(day)), end: midnight(Number(day) + 1) }));
  const days = parts.map(([day]) => Number(day));
  return {
    partitionKeys: parts.map(([day, shop]) => `2026-01-0${day}|${shop}`),
    windows,
    window: { start: midnight(Math.min(...days)), end: midnight(Math.max(...days) + 1) },
    values: parts.map(([, shop]) => shop),
  };
}

const TWO = `columns: z.strictObject({ sold_at: d.timestamp(), shop: z.string(), run: z.string() }),
  partitions: d.twoDimensional(d.daily("sold_at", { start: "2026-01-01" }), d.staticKeys("shop", ["a", "b'", "c"]))`;
/** A row of each day and shop, and of 3|c none. */
const EVERY = `SELECT sold_at, shop FROM range(TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-09', INTERVAL 1 DAY) AS days (sold_at),
  (VALUES ('a'), ('b'''), ('c')) AS shops (shop) WHERE NOT (day(sold_at) = 3 AND shop = 'c')`;
const QUERY = {
  "assets/a/x.ts": assetFile(
    "a/x",
    `${TWO}, checks: [d.warn(d.rowCount({ min: 1 })), d.unique("sold_at", "shop")], body: d.query("a/x.sql")`,
  ),
  "sql/a/x.sql": `SELECT sold_at, shop, 'first' AS run FROM (${EVERY}) WHERE sold_at >= {window.start} AND sold_at < {window.end} AND shop IN {keys}`,
};
const told = async (run: ReturnType<Project["launch"]>): Promise<Reported[]> => {
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  const custom = run.messages().filter(({ method }) => method === "report_custom_message");
  return custom.flatMap(
    ({ params }) =>
      (params as { payload: { dagster_typescript: { partitions?: Reported[] } } }).payload.dagster_typescript
        .partitions ?? [],
  );
};

test("one run of two dimensions is one statement over its window and its keys, with numbers for each cell", async () => {
  const project = createProject(QUERY);
  const all = ["2|a", "2|b'", "2|c", "3|a", "3|b'", "3|c", "4|a", "4|b'", "4|c"];
  const run = project.launch("a/x", cells(...all));
  const reports = await told(run);
  expect(reports.map(({ key, row_count: count }) => [key.slice(9), count])).toEqual(
    all.map((name) => [name, name === "3|c" ? 0 : 1]),
  );
  expect(new Set(reports.map(({ data_version: version }) => version)).size).toBe(9);
  expect(reports.map(({ checks: [rows, unique] }) => [rows?.[1], unique?.[1]])).toEqual(
    all.map((name) => [name !== "3|c", true]),
  );

  project.write({ "sql/a/x.sql": QUERY["sql/a/x.sql"].replace("first", "second") });
  const again = await told(project.launch("a/x", cells("3|b'", "3|c", "4|b'", "4|c")));
  expect(again.map(({ key }) => key.slice(9))).toEqual(["3|b'", "3|c", "4|b'", "4|c"]);
  expect(again[0]?.data_version).not.toBe(reports[4]?.data_version);
  const found = await project.query("SELECT day(sold_at) || '|' || shop FROM a.x WHERE run = 'second' ORDER BY 1");
  expect(found).toEqual([["3|b'"], ["4|b'"], ["4|c"]]);
  expect(await project.query("SELECT count(*) FROM a.x WHERE run = 'first'")).toEqual([["5"]]);
  // The numbers of a cell are its own, however many a run computes.
  const [alone] = await told(project.launch("a/x", cells("4|c")));
  expect(alone).toEqual(again[3]);
});

const ROWS = `body: { async *rows({ row, window, keys, partitionKeys }) {
  for (let at = window.start.getTime(); at < window.end.getTime(); at += 86_400_000)
    for (const shop of process.env.SHOPS?.split(",") ?? keys) yield row({ sold_at: new Date(at), shop, run: partitionKeys.join() });
} }`;

test("rows of another key of the run's window are refused, and the table stays as it is", async () => {
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${TWO}, ${ROWS}`) });
  await told(project.launch("a/x", cells("2|a", "3|a")));
  const refused = await project.launch("a/x", { ...cells("2|a", "2|c"), env: { SHOPS: "a,b'" } }).ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    "1 rows lie outside of the partitions of this run, by their column sold_at and shop",
  );
  expect(await project.query("SELECT DISTINCT shop, run FROM a.x")).toEqual([["a", "2026-01-02|a,2026-01-03|a"]]);
});

test("cells that are no rectangle are refused before the body runs, and each computes them by itself", async () => {
  const corner = cells("2|a", "2|c", "3|a");
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${TWO}, ${ROWS}`) });
  await told(project.launch("a/x", cells("3|c")));
  const refused = await project.launch("a/x", { ...corner, env: { SHOPS: "no shop" } }).ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/3 partitions, which are not all its 2 times with all its 2 keys.*declare each/s);
  expect(await project.query("SELECT run FROM a.x")).toEqual([["2026-01-03|c"]]);

  project.write({ "assets/a/x.ts": assetFile("a/x", `${TWO}, each: { concurrency: 2 }, ${ROWS}`) });
  const reports = await told(project.launch("a/x", corner));
  expect(reports.map(({ key, row_count: count }) => [key.slice(9), count])).toEqual([["2|a", 1], ["2|c", 1], ["3|a", 1]]); // prettier-ignore
  expect(await project.query("SELECT run FROM a.x ORDER BY run")).toEqual(
    ["2|a", "2|c", "3|a", "3|c"].map((name) => [`2026-01-0${name}`]),
  );
});

test("a run of static keys binds them in its SQL", async () => {
  const asset = `columns: z.strictObject({ shop: z.string() }), partitions: d.staticKeys("shop", ["a", "b'", "c"])`;
  const all = "SELECT shop FROM (VALUES ('a'), ('b'''), ('c')) AS shops (shop)";
  const body = "body: d.sql`" + all + " WHERE shop IN ${d.keys}`";
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `${asset}, ${body}`) });
  await told(project.launch("a/x", { partitionKeys: ["b'", "c"], values: ["b'", "c"] }));
  expect(await project.query("SELECT shop FROM a.x ORDER BY 1")).toEqual([["b'"], ["c"]]);
});
