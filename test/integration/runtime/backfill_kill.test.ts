import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { assetFile, createProject, type Project, until } from "./project.ts";

const DAYS = 365;
const KILLS = 4;
const midnights = Array.from({ length: DAYS + 1 }, (_, day) => new Date(Date.UTC(2017, 0, 1 + day)).toISOString());
const keys = midnights.slice(0, DAYS).map((midnight) => midnight.slice(0, 10));
const RANGE = {
  partitionKeys: keys,
  windows: keys.map((_, day) => ({ start: midnights[day] ?? "", end: midnights[day + 1] ?? "" })),
  window: { start: midnights[0] ?? "", end: midnights[DAYS] ?? "" },
};

/** Three rows of each day; `n` says of which day in the year. */
const ROWS = `async *rows({ row, window }) {
  for (let at = window.start.getTime(); at < window.end.getTime(); at += 8 * 3600e3)
    yield row({ at: new Date(at), n: Math.floor((at - Date.UTC(2017, 0, 1)) / 86400e3) });
}`;
const QUERY = `SELECT TIMESTAMPTZ '2017-01-01 00:00:00+00' + to_hours(8 * i) AS at, CAST(i // 3 AS INTEGER) AS n
  FROM range(1095) AS eights(i)
  WHERE TIMESTAMPTZ '2017-01-01 00:00:00+00' + to_hours(8 * i) >= \${d.window.start}
    AND TIMESTAMPTZ '2017-01-01 00:00:00+00' + to_hours(8 * i) < \${d.window.end}`;
const source = (options: string): string =>
  assetFile(
    "a/x",
    `columns: z.strictObject({ at: d.timestamp(), n: z.int32() }), checks: [d.rowCount({ min: 3 })],
    partitions: d.daily("at", { start: "2017-01-01" }), ${options}`,
  );

const held = (project: Project): Promise<(string | null)[][]> =>
  project.query('SELECT count(*), count(DISTINCT "at"), count(DISTINCT n), min(n), max(n) FROM a.x');
const ledger = (project: Project): Promise<(string | null)[][]> =>
  project.query(
    "SELECT count(*), count(DISTINCT key) FROM (SELECT unnest(from_json(partition_keys, '[\"VARCHAR\"]')) AS key FROM _dagster_typescript.ledger)",
  );
const EXACT = [["1095", "1095", "365", "0", "364"]];

test.each([
  ["partition by partition", `each: { concurrency: 4 }, body: d.sql\`${QUERY}\``],
  ["at once", `body: { ${ROWS} }`],
])("a backfill of a year %s, killed again and again at any moment, is exact in the end", async (_name, options) => {
  const project = createProject({ "assets/a/x.ts": source(options) });
  const root = "root";
  let usualMs = 4_000;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const run = project.launch("a/x", {
      ...{ ...RANGE, runId: `run ${kill}`, rootRunId: root, resume: kill > 0, openRunIds: [`run ${kill}`] },
    });
    const begun = performance.now();
    await until("the first message", () => run.messages().length > 0);
    await Promise.race([run.ended, wait((usualMs * Math.random()) / 2)]);
    run.child.kill("SIGKILL");
    await run.ended;
    usualMs = Math.min(usualMs, performance.now() - begun + 2_000);
  }
  const last = project.launch("a/x", {
    ...{ ...RANGE, runId: "last", rootRunId: root, resume: true, openRunIds: ["last"] },
  });
  const { code, stderr } = await last.ended;
  expect(code, stderr).toBe(0);
  expect(await held(project)).toEqual(EXACT);
  expect(await ledger(project), "each partition is published once by the runs of one root").toEqual([["365", "365"]]);
  expect(project.staging()).toEqual([]);
  const told = last
    .messages()
    .filter(({ method }) => method === "report_custom_message")
    .flatMap(
      ({ params }) =>
        (params as { payload: { dagster_typescript: { partitions?: { key: string; row_count: number }[] } } }).payload
          .dagster_typescript.partitions ?? [],
    );
  expect(told.map(({ key, row_count: count }) => [key, count])).toEqual(keys.map((key) => [key, 3]));
});
