import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { assetFile, createProject, type Ended, type PipesMessage, type Project } from "./project.ts";

const COLUMNS = `columns: z.strictObject({ at: d.timestamp(), n: z.int32() }), partitions: d.daily("at", { start: "2017-01-01" })`;
const EVENTS = assetFile(
  "a/events",
  `${COLUMNS}, body: d.sql\`SELECT CAST(\${d.window.start} AS TIMESTAMPTZ) + to_hours(n) AS at, CAST(n AS INTEGER) AS n
    FROM range(24) AS hours(n) WHERE \${d.window.start} < \${d.window.end}\``,
);

const archiveOf = (source: string, options = `{ olderThan: "90d", to: "cold/events" }`, store = ""): string =>
  assetFile(
    `a/all_${source}`,
    `columns: ${source}.columns, ${store} body: d.archive(${source}, ${options})`,
    `import { ${source} } from "./${source}.ts";`,
  );

const day = (date: string): { partitionKeys: string[]; window: { start: string; end: string } } => ({
  partitionKeys: [date],
  window: { start: `${date}T00:00:00Z`, end: new Date(Date.parse(`${date}T00:00:00Z`) + 86_400_000).toISOString() },
});
const today = new Date().toISOString().slice(0, 10);
const FILES = { "assets/a/events.ts": EVENTS, "assets/a/all_events.ts": archiveOf("events") };

async function ok(run: { readonly ended: Promise<Ended>; readonly messages?: () => PipesMessage[] }): Promise<string> {
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  return JSON.stringify(run.messages?.() ?? []);
}

function filesOf({ dir }: Project, folder = "cold/events"): string[] {
  return readdirSync(join(dir, folder), { recursive: true, encoding: "utf8" }).filter((name) => /\./.test(name));
}

const COUNTS = `SELECT CAST("at" AS DATE), count(*), count(DISTINCT n) FROM a.all_events GROUP BY 1 ORDER BY 1`;
const both = [
  ["2017-01-02", "24", "24"],
  [today, "24", "24"],
];

test("cold partitions move to files, the view has all rows, a late backfill is refused until they are restored", async () => {
  const project = createProject(FILES);
  for (const date of ["2017-01-02", today]) await ok(project.launch("a/events", day(date)));
  const said = await ok(project.launch("a/all_events"));
  expect(said).toContain('"rows_archived":{"raw_value":24,');
  expect(said).toContain('"files_written":{"raw_value":1,');
  expect(said).toContain('"dagster/row_count":{"raw_value":48,');
  expect(said).toContain(`"oldest_hot_partition":{"raw_value":"${today}"`);
  expect(await project.query('SELECT count(*), min("at") >= current_date FROM a.events')).toEqual([["24", "true"]]);
  expect(await project.query(COUNTS)).toEqual(both);
  expect(filesOf(project)).toHaveLength(1);

  const late = await project.launch("a/events", day("2017-01-02")).ended;
  expect(late.code).toBe(1);
  expect(late.stderr).toContain("partition 2017-01-02 is archived by a/all_events");
  expect(late.stderr).toContain('restore: ["2017-01-02"]');
  expect(await project.query(COUNTS)).toEqual(both);

  project.write({ "assets/a/events.ts": EVENTS.replace("body:", `checks: [d.unique("n")], body:`) });
  const checked = await project.launch("a/events", { ...day("2017-01-02"), checksOnly: ["unique_n"] }).ended;
  expect(checked.code, "no row is not the same as no bad row").toBe(1);
  expect(checked.stderr).toContain("the check reads a/events, of which partition 2017-01-02 is archived");
  await ok(project.launch("a/events", { ...day(today), checksOnly: ["unique_n"] }));
  await ok(project.launch("a/events", { checksOnly: ["unique_n"] }));

  const again = await ok(project.launch("a/all_events"));
  expect(again).toContain('"rows_archived":{"raw_value":0,');
  expect(versionOf(again)).toBe(versionOf(said));

  const back = await ok(project.launch("a/all_events", { restore: ["2017-01-01...2017-01-31"] }));
  expect(back).toContain('"rows_restored":{"raw_value":24,');
  expect(versionOf(back)).toBe(versionOf(said));
  expect(await project.query("SELECT count(*) FROM a.events")).toEqual([["48"]]);
  expect(await project.query(COUNTS)).toEqual(both);
  await ok(project.launch("a/events", day("2017-01-02")));
  // For a day it stays where it was asked to be.
  expect(await ok(project.launch("a/all_events"))).toContain('"rows_archived":{"raw_value":0,');
  expect(await project.query(COUNTS)).toEqual(both);
});

function versionOf(messages: string): string {
  return /"data_version":"([^"]+)"/.exec(messages)?.[1] ?? "none";
}

test("a body of rows is not even begun for an archived partition", async () => {
  const rows = assetFile("a/events", `${COLUMNS}, body: { async *rows({ row, window }) { console.log("begun"); yield row({ at: window.start, n: 1 }); } }`); // prettier-ignore
  const project = createProject({ ...FILES, "assets/a/events.ts": rows });
  await ok(project.launch("a/events", day("2017-01-02")));
  await ok(project.launch("a/all_events"));
  const late = await project.launch("a/events", day("2017-01-02")).ended;
  expect(late.stderr).toContain("partition 2017-01-02 is archived by a/all_events");
  expect(late.stdout).not.toContain("begun");
  expect(project.staging()).toEqual([]);
});

test("what is cold is a matter of whole partitions on the clock of their time zone, by instants and by days", async () => {
  const zone = `d.daily("at", { start: "2017-01-01", timezone: "America/New_York" })`;
  const events = (type: string, values: string): string =>
    assetFile(
      "a/events",
      `columns: z.strictObject({ at: ${type} }), partitions: ${zone}, body: d.sql\`SELECT * FROM (VALUES ${values}) AS rows("at") WHERE \${d.window.start} < \${d.window.end}\``,
    );
  const window = { start: "2017-03-11T05:00:00Z", end: "2017-03-14T04:00:00Z" };
  const midnights = [window.start, "2017-03-12T05:00:00Z", "2017-03-13T04:00:00Z", window.end];
  const partitionKeys = ["2017-03-11", "2017-03-12", "2017-03-13"];
  const windows = partitionKeys.map((_, n) => ({ start: midnights[n] ?? "", end: midnights[n + 1] ?? "" }));
  for (const [type, values, first] of [
    ["d.timestamp()", "(TIMESTAMPTZ '2017-03-12T04:59:59.999999Z'), ('2017-03-12T05:00:00Z'), ('2017-03-13T03:59:00Z'), ('2017-03-13T04:00:00Z')", "2017-03-13 04:00:00+00"], // prettier-ignore
    ["d.date()", "(DATE '2017-03-11'), ('2017-03-12'), ('2017-03-12'), ('2017-03-13')", "2017-03-13"],
  ] as const) {
    // The 12th, of 23 hours, ended at 04:00 UTC of the 13th.
    for (const [at, left] of [
      ["2017-03-13T03:00:00Z", 3],
      ["2017-03-13T04:00:00Z", 1],
    ] as const) {
      // prettier-ignore
      const seconds = Math.round((Date.now() - Date.parse(at)) / 1000);
      const project = createProject({
        "assets/a/events.ts": events(type, values),
        "assets/a/all_events.ts": archiveOf("events", `{ olderThan: "${seconds}s", to: "cold" }`),
      });
      await ok(project.launch("a/events", { partitionKeys, windows, window }));
      await ok(project.launch("a/all_events"));
      const [[count, oldest] = []] = await project.query('SELECT count(*), CAST(min("at") AS VARCHAR) FROM a.events');
      expect([Number(count), at]).toEqual([left, at]);
      if (left === 1) expect(oldest).toBe(first);
      expect(await project.query("SELECT count(*) FROM a.all_events")).toEqual([["4"]]);
    }
  }
});

test("who reads the table of an archive misses nothing unknowingly", async () => {
  const perDay = assetFile(
    "a/per_day",
    `columns: z.strictObject({ at: d.timestamp(), n: z.int() }), partitions: d.daily("at", { start: "2017-01-01" }),
      body: d.sql\`SELECT CAST(date_trunc('day', "at") AS TIMESTAMPTZ) AS "at", CAST(count(*) AS BIGINT) AS n FROM \${events}
        WHERE "at" >= \${d.window.start} AND "at" < \${d.window.end} GROUP BY 1\``,
    'import { events } from "./events.ts";',
  );
  const total = (of: string): string =>
    assetFile(
      `a/total_${of}`,
      `columns: z.strictObject({ n: z.int() }), body: d.sql\`SELECT CAST(count(*) AS BIGINT) AS n FROM \${${of}}\``,
      `import { ${of} } from "./${of}.ts";`,
    );
  const project = createProject({
    ...FILES,
    "assets/a/per_day.ts": perDay,
    "assets/a/total_events.ts": total("events"),
    "assets/a/total_all_events.ts": total("all_events"),
  });
  const before = perDay.replace("a/per_day", "a/day_before").replace("const per_day", "const day_before");
  project.write({
    "assets/a/day_before.ts": before.replace("body:", "partitionMappings: [d.offsetOf(events, { start: -1 })], body:"),
  });
  for (const date of ["2017-01-02", today]) await ok(project.launch("a/events", day(date)));
  await ok(project.launch("a/all_events"));
  const { stderr, manifest } = await project.manifest();
  const faults = manifest.faults.map(({ asset, message }) => `${asset?.join("/") ?? ""} ${message}`);
  const fault = 'reads "a/events" in SQL, which loses its cold rows to an archive: read "a/all_events", which has all';
  expect(faults, stderr).toEqual([`a/day_before ${fault}`, `a/total_events ${fault}`]);
  expect(manifest.assets.map(({ key, body }) => `${key.join("/")} ${body}`)).toEqual([
    "a/all_events archive",
    "a/events query",
    "a/per_day query",
    "a/total_all_events query",
  ]);

  await ok(project.launch("a/per_day", day(today)));
  const cold = await project.launch("a/per_day", day("2017-01-02")).ended;
  expect(cold.code).toBe(1);
  expect(cold.stderr).toContain("a/per_day reads a/events, of which partition 2017-01-02 is archived");
  expect(await project.query("SELECT n FROM a.per_day")).toEqual([["24"]]);
  // The manifest refuses it as well; a run does not look at other assets' files.
  const whole = await project.launch("a/total_events").ended;
  expect(whole.stderr).toContain("Read a/all_events instead");
  await ok(project.launch("a/total_all_events"));
  expect(await project.query("SELECT n FROM a.total_all_events")).toEqual([["48"]]);
  const restore = (keys: string): Promise<Ended> => project.run(["--restore", keys, "a/all_events"]).ended;
  expect((await restore("2017-02-01")).stderr).toContain(
    'restore: "2017-02-01" names no archived partition; expected one of 2017-01-02 to 2017-01-02',
  );
  expect((await restore("2017-01-01...2017-01-31")).stderr).toContain("1 files restored, 24 rows");
  await ok(project.launch("a/per_day", day("2017-01-02")));
});

interface Answer {
  readonly runs: readonly { readonly run_key: string; readonly partition_keys: readonly string[] }[];
  readonly skip: string | null;
  readonly cursor: string;
}

/** A tick of the sensor `a/late`, as the code server starts it. */
async function tick(project: Project, cursor: string | null, now: Date): Promise<Answer> {
  const answer = mkdtempSync(join(project.dir, "answer-"));
  const running = project.start("runtime/evaluate.ts", ["a/late", answer]);
  const input = { now: now.toISOString(), cursor, scheduled_at: null, materializations: [] };
  running.child.stdin?.write(`${JSON.stringify(input)}\n`);
  const { code, stderr } = await running.ended;
  const text = readFileSync(join(answer, "result.json"), "utf8");
  expect(code, `${stderr}\n${text}`).toBe(0);
  return (JSON.parse(text) as { result: Answer }).result;
}

test("late rows of an archived partition are refused out loud, and go in once somebody has restored it", async () => {
  const lines = (...late: readonly string[]): string =>
    assetFile(
      "a/lines",
      `columns: z.strictObject({ at: d.timestamp(), came: d.timestamp(), n: z.int32() }),
      body: d.sql\`SELECT * FROM (VALUES ${["('2017-01-02 12:00:00Z', '2017-01-02 13:00:00Z', 1)", ...late].join(", ")}) AS lines("at", came, n)\``
        .replaceAll(/'(\S+ \S+Z)'/g, "CAST('$1' AS TIMESTAMPTZ)"),
    ); // prettier-ignore
  const project = createProject({
    "assets/a/lines.ts": lines(),
    "assets/a/events.ts": assetFile(
      "a/events",
      `${COLUMNS}, body: d.sql\`SELECT "at", n FROM \${lines} WHERE "at" >= \${d.window.start} AND "at" < \${d.window.end}\``,
      'import { lines } from "./lines.ts";',
    ),
    "assets/a/all_events.ts": archiveOf("events"),
    "assets/a/late.ts": `import { defineSensor } from "dagster-typescript";
      import { lateData } from "dagster-typescript/sensors";
      import { events } from "./events.ts"; import { lines } from "./lines.ts";
      defineSensor("a/late", { description: "x", assets: [events], ...lateData({ source: lines, time: "at", arrived: "came" }) });`,
  });
  await ok(project.run(["a/lines"]));
  await ok(project.launch("a/events", day("2017-01-02")));
  await ok(project.launch("a/all_events"));
  const now = Date.now();
  const first = await tick(project, null, new Date(now));
  expect(first.runs).toEqual([]);

  project.write({ "assets/a/lines.ts": lines(`('2017-01-02 14:00:00Z', '${new Date(now).toISOString().replace("T", " ")}', 2)`) }); // prettier-ignore
  await ok(project.run(["a/lines"]));
  const asks = await tick(project, first.cursor, new Date(now));
  expect(asks.runs.map(({ partition_keys: keys }) => keys)).toEqual([["2017-01-02"]]);
  const refused = await project.launch("a/events", day("2017-01-02")).ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('with the run configuration restore: ["2017-01-02"]');
  const rows = (): Promise<(string | null)[][]> => project.query('SELECT n FROM a.all_events ORDER BY "at"');
  expect(await rows()).toEqual([["1"]]);

  await ok(project.run(["--restore", "2017-01-02", "a/all_events"]));
  const again = await tick(project, asks.cursor, new Date(now + 2 * 3_600_000));
  expect(again.runs.map(({ partition_keys: keys }) => keys)).toEqual([["2017-01-02"]]);
  expect(again.runs[0]?.run_key).not.toBe(asks.runs[0]?.run_key);
  await ok(project.launch("a/events", day("2017-01-02")));
  expect(await rows()).toEqual([["1"], ["2"]]);
  expect((await tick(project, again.cursor, new Date(now + 2 * 3_600_000))).runs).toEqual([]);
});
