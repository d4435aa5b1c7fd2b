import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { thisProcess } from "../../../resources/process_identity.ts";
import { assetFile, createProject, type PipesMessage, type Project, until } from "./project.ts";

const KEY = "a/x";
const LEDGER = "SELECT count(*) FROM _dagster_typescript.ledger";
/** Each run of the body writes another number, so that a second run shows. */
const source = (extra = ""): string =>
  assetFile(
    KEY,
    `columns: z.strictObject({ id: z.int32(), f: z.number(), price: d.decimal(5, 2) }), checks: [d.unique("id"), d.warn(d.rowCount({ min: 9 }))],
     body: { async *rows({ row }) { ${extra} yield row({ id: Date.now() % 1e9, f: 1, price: "1.00" }); } }`,
  );

const sent = (messages: readonly PipesMessage[], method: string): PipesMessage["params"][] =>
  messages.filter((message) => message.method === method).map(({ params }) => params);
const outcome = (messages: readonly PipesMessage[]): unknown =>
  (
    sent(messages, "report_custom_message")[0] as
      { payload?: { dagster_typescript?: { outcome?: string } } } | undefined
  )?.payload?.dagster_typescript?.outcome;

async function launch(project: Project, options: object): Promise<PipesMessage[]> {
  const run = project.launch(KEY, options);
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  return run.messages();
}

describe("an attempt whose predecessor published but could not report", () => {
  test("reports the same once more and does nothing twice", async () => {
    const project = createProject({ "assets/a/x.ts": source() });
    const first = await launch(project, { runId: "one", rootRunId: "root" });
    const rows = await project.query("SELECT * FROM a.x");
    const second = await launch(project, { runId: "two", rootRunId: "root", resume: true });
    expect(outcome(second)).toBe("reused");
    expect(await project.query("SELECT * FROM a.x")).toEqual(rows);
    expect(await project.query(LEDGER)).toEqual([["1"]]);
    const [a] = sent(first, "report_asset_materialization");
    const [b] = sent(second, "report_asset_materialization");
    expect(b?.["data_version"]).toBe(a?.["data_version"]);
    // How long the publish took is known only once it is over.
    expect({ ...(b?.["metadata"] as object), seconds_publish: expect.anything() as unknown }).toEqual(a?.["metadata"]);
    expect(sent(second, "report_asset_check")).toEqual(sent(first, "report_asset_check"));
  });

  test("removes the side file that its predecessor could not remove any more", async () => {
    const project = createProject({ "assets/a/x.ts": source() });
    await launch(project, { runId: "one", rootRunId: "root" });
    const [host, boot, namespace] = thisProcess().split(".");
    // No process has this number.
    const identity = [host, boot, namespace, 2 ** 30, 1].join(".");
    mkdirSync(join(`${project.warehouse}.staging`, `_stage_x~one~${identity}`), { recursive: true });
    expect(outcome(await launch(project, { runId: "two", rootRunId: "root", resume: true }))).toBe("reused");
    expect(project.staging()).toEqual([]);
  });

  test("computes again when it is not told to resume, in another root run, and when the code changed", async () => {
    const project = createProject({ "assets/a/x.ts": source() });
    await launch(project, { runId: "one", rootRunId: "root" });
    expect(outcome(await launch(project, { runId: "two", rootRunId: "root" }))).toBe("published");
    expect(outcome(await launch(project, { runId: "three", rootRunId: "other", resume: true }))).toBe("published");
    project.write({ "assets/a/x.ts": source("await 0;") });
    expect(outcome(await launch(project, { runId: "four", rootRunId: "root", resume: true }))).toBe("published");
    expect(await project.query(LEDGER)).toEqual([["4"]]);
  });

  test("computes when nothing was published, also when the earlier attempt was refused", async () => {
    const refused = source().replace('d.unique("id")', 'd.named("none", d.rowCount({ max: 0 }))');
    const project = createProject({ "assets/a/x.ts": refused });
    expect(outcome(await launch(project, { runId: "one", rootRunId: "root" }))).toBe("refused");
    expect(outcome(await launch(project, { runId: "two", rootRunId: "root", resume: true }))).toBe("refused");
  });
});

describe("kill -9 at any moment, then the same run again", () => {
  const rowsSource = assetFile(
    KEY,
    `columns: z.strictObject({ id: z.int32(), text: z.string() }), checks: [d.unique("id")],
     body: { async *rows({ log }) {
       for (let page = 0; page < 40; page += 1) yield Array.from({ length: 2_500 }, (_, n) => ({ id: page * 2_500 + n, text: "row " + n }));
     } }`,
  );
  const querySource = assetFile(
    KEY,
    `columns: z.strictObject({ id: z.int32(), text: z.string() }), checks: [d.unique("id")],
     body: sql\`SELECT CAST(range AS INTEGER) AS id, 'row ' || range AS text FROM range(100000)\``,
  );
  /** The store by itself is killed more often, in stores/kill.test.ts. */
  const ROUNDS = 3;
  const WHOLE = [["100000", "100000", "0", "99999"]];
  const COUNTS = "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM a.x";

  test.each([
    ["rows", rowsSource],
    ["a query", querySource],
  ])("of %s leaves no lost, double or partial rows and no staging", async (_name, text) => {
    const project = createProject({ "assets/a/x.ts": text });
    expect((await project.launch(KEY).ended).code).toBe(0);
    await project.query("CREATE INDEX by_id ON a.x (id)");
    await project.query("DELETE FROM a.x WHERE id >= 5");

    // How long a whole run takes here, from its first to its last message, sets the moments of the kills.
    const before = performance.now();
    expect((await project.launch(KEY, { runId: "measure" }).ended).code).toBe(0);
    const wholeMs = performance.now() - before;
    for (let round = 0; round < ROUNDS; round += 1) {
      await project.query("DELETE FROM a.x WHERE id >= 5");
      const rootRunId = `root-${round}`;
      const killed = project.launch(KEY, { runId: `killed-${round}`, rootRunId });
      const killAt = performance.now() + wholeMs * (0.35 + (0.65 * (round + Math.random())) / ROUNDS);
      let isOver = false;
      void killed.ended.then(() => (isOver = true));
      await until("the moment of the kill", () => isOver || performance.now() >= killAt);
      killed.child.kill("SIGKILL");
      await killed.ended;

      const [found] = await project.query(COUNTS);
      expect([["5", "5", "0", "4"], ...WHOLE]).toContainEqual(found);
      const again = await launch(project, { runId: `again-${round}`, rootRunId, resume: true });
      expect(["published", "reused"]).toContain(outcome(again));
      expect(await project.query(COUNTS)).toEqual(WHOLE);
      expect(project.staging()).toEqual([]);
      expect(await project.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'a'")).toEqual([["x"]]);
      expect(await project.query("SELECT index_name FROM duckdb_indexes()")).toEqual([["by_id"]]);
      expect(
        await project.query(`SELECT count(*) FROM _dagster_typescript.ledger WHERE root_run_id = '${rootRunId}'`),
      ).toEqual([["1"]]);
    }
  });
});
