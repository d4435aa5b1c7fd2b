import { expect, test } from "vitest";
import { assetFile, createProject, type Launch, type Project } from "./project.ts";

/** A source that grows, outside of the warehouse's own runs. */
const SOURCE = assetFile(
  "a/source",
  `columns: z.strictObject({ id: z.int32(), seen: d.timestamp() }), body: { async *rows() {} }`,
);
const target = (write: string, where: string): string =>
  assetFile(
    "a/x",
    `columns: z.strictObject({ id: z.int32(), seen: d.timestamp(), run: z.string() }), key: ["id"], write: ${write},
  body: d.sql\`SELECT id, seen, CAST(\${process.env.RUN} AS VARCHAR) AS run FROM \${source} ${where}\``,
    `import { source } from "./source.ts";`,
  );
interface SourceRow {
  readonly id: number;
  readonly at: string;
}
const at = (id: number, minute: number): SourceRow => ({
  id,
  at: `2026-01-01T00:${String(minute).padStart(2, "0")}:00Z`,
});

async function run(project: Project, name: string, source: readonly SourceRow[], launch: Launch = {}): Promise<void> {
  const values = source.map(({ id, at: seen }) => `(${id}, TIMESTAMPTZ '${seen}')`).join(", ");
  await project.query("CREATE SCHEMA IF NOT EXISTS a");
  await project.query(`CREATE OR REPLACE TABLE a.source AS SELECT * FROM (VALUES ${values}) AS rows (id, seen)`);
  const { code, stderr } = await project.launch("a/x", { ...launch, env: { RUN: name } }).ended;
  expect(code, stderr).toBe(0);
}
const rows = async (project: Project): Promise<(string | null)[][]> =>
  await project.query("SELECT id, run FROM a.x ORDER BY id, run");

test("append adds what is beyond the cursor, once, and nothing when nothing is new", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.append({ cursor: 'seen' })", "WHERE seen > ${d.cursor}"),
  });
  await run(project, "first", [at(1, 1), at(2, 2)]);
  await run(project, "second", [at(1, 1), at(2, 2), at(3, 3)]);
  await run(project, "third", [at(1, 1), at(2, 2), at(3, 3)]);
  expect(await rows(project)).toEqual([["1", "first"], ["2", "first"], ["3", "second"]]); // prettier-ignore
  const cursors = await project.query("SELECT cursor FROM _dagster_typescript.ledger WHERE asset_key = 'a/x' ORDER BY published_at"); // prettier-ignore
  expect(cursors).toEqual([
    ["2026-01-01T00:02:00.000000Z"],
    ["2026-01-01T00:03:00.000000Z"],
    ["2026-01-01T00:03:00.000000Z"],
  ]);
});

test("merge with a lag sees rows that arrive late, and doubles none", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.merge({ cursor: 'seen', lag: '5m' })", "WHERE seen > ${d.cursor}"),
  });
  await run(project, "first", [at(1, 1), at(2, 10)]);
  // 3 is older than the newest row, 4 older than the lag reaches.
  await run(project, "second", [at(1, 1), at(2, 10), at(3, 7), at(4, 4)]);
  expect(await rows(project)).toEqual([["1", "first"], ["2", "second"], ["3", "second"]]); // prettier-ignore
});

test("a cursor never goes backwards, whatever the source says", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.merge({ cursor: 'seen', lag: '59m' })", "WHERE seen > ${d.cursor}"),
  });
  await run(project, "first", [at(1, 50)]);
  await run(project, "second", [at(2, 10)]);
  const [last] = await project.query("SELECT cursor FROM _dagster_typescript.ledger WHERE asset_key = 'a/x' ORDER BY published_at DESC"); // prettier-ignore
  expect(last).toEqual(["2026-01-01T00:50:00.000000Z"]);
  expect(await rows(project)).toEqual([["1", "first"], ["2", "second"]]); // prettier-ignore
});

test("a full refresh makes the whole table anew, and the next run goes on from there", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.append({ cursor: 'seen' })", "WHERE seen > ${d.cursor}"),
  });
  await run(project, "first", [at(1, 1), at(2, 2)]);
  await run(project, "refresh", [at(1, 1), at(3, 1)], { fullRefresh: true });
  expect(await rows(project)).toEqual([["1", "refresh"], ["3", "refresh"]]); // prettier-ignore
  await run(project, "last", [at(1, 1), at(3, 1), at(4, 2)]);
  expect(await rows(project)).toEqual([["1", "refresh"], ["3", "refresh"], ["4", "last"]]); // prettier-ignore
});

test("the first run reads from the earliest instant that the store holds", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.append({ cursor: 'seen' })", "WHERE seen > ${d.cursor}"),
  });
  await run(project, "first", [{ id: 1, at: "0850-06-01T00:00:00Z" }, { id: 2, at: "1850-06-01T00:00:00Z" }]); // prettier-ignore
  expect(await rows(project)).toEqual([["1", "first"], ["2", "first"]]); // prettier-ignore
});

test("append in a re-execution adds what the source has had since, and nothing twice", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.append({ cursor: 'seen' })", "WHERE seen > ${d.cursor}"),
  });
  const root = { rootRunId: "root" };
  await run(project, "first", [at(1, 1)], root);
  await run(project, "second", [at(1, 1), at(2, 2)], root);
  expect(await rows(project)).toEqual([["1", "first"], ["2", "second"]]); // prettier-ignore
});

test("append without a cursor adds once per root run, and a re-execution reports what stands", async () => {
  const body = `body: { async *rows({ row }) { yield row({ n: Number(process.env.N) }); } }`;
  const asset = `columns: z.strictObject({ n: z.int32() }), write: d.append(), ${body}`;
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", asset) });
  const versions: unknown[] = [];
  for (const [n, rootRunId] of [
    ["1", "root"],
    ["2", "root"],
    ["3", "other"],
  ] as const) {
    // prettier-ignore
    const launched = project.launch("a/x", { rootRunId, env: { N: n } });
    const { code, stderr } = await launched.ended;
    expect(code, stderr).toBe(0);
    expect(JSON.stringify(launched.messages())).toContain(`"outcome":"${n === "2" ? "reused" : "published"}"`);
    const reported = launched.messages().find(({ method }) => method === "report_asset_materialization");
    versions.push(reported?.params["data_version"]);
  }
  // Of the rows that are there, not of those that were thrown away.
  expect([versions[1] === versions[0], versions[2] === versions[0]]).toEqual([true, false]);
  expect(await project.query("SELECT n FROM a.x ORDER BY n")).toEqual([["1"], ["3"]]);
});

const PAGES = assetFile(
  "a/x",
  `columns: z.strictObject({ n: z.int32() }), write: d.append(),
  body: { async *rows({ row, cursor, saveCursor }) {
    const from = Number(cursor ?? 0);
    yield row({ n: from });
    saveCursor(String(from + 1));
    if (process.env.FAIL) throw new Error("after the cursor was saved");
  } }`,
);

test("a body says where it goes on, committed with its rows: a run that fails moves nothing", async () => {
  const project = createProject({ "assets/a/x.ts": PAGES });
  for (const fail of ["", "yes", "", ""]) {
    const { code } = await project.launch("a/x", { env: { FAIL: fail } }).ended;
    expect(code).toBe(fail === "" ? 0 : 1);
  }
  expect(await project.query("SELECT n FROM a.x ORDER BY n")).toEqual([["0"], ["1"], ["2"]]);
});

test("two runs that began at the same cursor do not both add their rows", async () => {
  const body = `body: { async *rows({ row, cursor, saveCursor }) {
    const { existsSync, writeFileSync } = await import("node:fs");
    writeFileSync(process.env.MINE, "");
    for (let n = 0; !existsSync(process.env.OTHER) && n < 3000; n++) await new Promise((done) => setTimeout(done, 10));
    yield row({ n: Number(cursor ?? 0) });
    saveCursor("1");
  } }`;
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `columns: z.strictObject({ n: z.int32() }), write: d.append(), ${body}`) }); // prettier-ignore
  const [mine, other] = [`${project.dir}/one`, `${project.dir}/two`];
  const runs = [{ MINE: mine, OTHER: other }, { MINE: other, OTHER: mine }].map((env) => project.launch("a/x", { env })); // prettier-ignore
  const ended = await Promise.all(runs.map(({ ended: end }) => end));
  expect(ended.map(({ code }) => code).sort()).toEqual([0, 1]);
  expect(ended.map(({ stderr }) => stderr).join("")).toContain("another run has published since this one began");
  expect(await project.query("SELECT n FROM a.x")).toEqual([["0"]]);
});

test("a cursor that no SQL reads, and SQL that reads one where there is none, are faults", async () => {
  const project = createProject({
    "assets/a/source.ts": SOURCE,
    "assets/a/x.ts": target("d.append({ cursor: 'seen' })", ""),
    "assets/a/y.ts": target("undefined", "WHERE seen > ${d.cursor}").replace("a/x", "a/y"),
  });
  const { stderr } = await project.manifest();
  expect(stderr).toMatch(/a\/x: write: the SQL never says where it begins/);
  expect(stderr).toMatch(/a\/y: the SQL: cursor is for the body of an asset with append/);
});
