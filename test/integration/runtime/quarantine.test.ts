import { expect, test } from "vitest";
import { assetFile, createProject, type PipesMessage, type Project } from "./project.ts";

const KEY = "a/x";
const columns = `columns: z.strictObject({ id: z.int32(), t: z.string(), price: d.decimal(5, 2).nullable() })`;
const source = (yields: string, options = ""): string =>
  assetFile(
    KEY,
    `${columns}, ${options} body: { async *rows() { ${yields} } }`,
    `import * as arrow from "apache-arrow";`,
  );
const QUARANTINE = "SELECT run_id, row_number, reason, value FROM _dagster_typescript.quarantine ORDER BY row_number";

async function launch(project: Project, runId: string): Promise<{ code: number | null; messages: PipesMessage[] }> {
  const run = project.launch(KEY, { runId });
  const { code } = await run.ended;
  return { code, messages: run.messages() };
}

function metadataOf(messages: readonly PipesMessage[]): Record<string, { raw_value: unknown }> {
  const found = messages.find(({ method }) => method === "report_asset_materialization")?.params["metadata"];
  return (found ?? {}) as Record<string, { raw_value: unknown }>;
}

const BAD = `
  yield { id: 1, t: "good", price: null };
  yield { id: NaN, t: "'); DROP TABLE a.x; --", price: null };
  yield { id: 2 ** 31, t: "\\0\\ud800😀\\"", price: null };
  yield [{ id: 3, t: "good", price: "1.00" }, { id: 4, t: 5n, price: "1.005" }, null, "row"];
  yield { id: 5, price: null };
  yield { id: 6, t: "x", price: null, extra: Infinity };`;

test("bad rows are kept with reason and raw value and counted; the good ones are published, up to the limit", async () => {
  const project = createProject({ "assets/a/x.ts": source(BAD, "quarantine: { maxRows: 7 },") });
  const { code, messages } = await launch(project, "run");
  expect(code).toBe(0);
  expect(await project.query("SELECT id, t FROM a.x ORDER BY id")).toEqual([
    ["1", "good"],
    ["3", "good"],
  ]);
  expect(metadataOf(messages)).toMatchObject({
    rows_read: { raw_value: 9 },
    rows_written: { raw_value: 2 },
    rows_quarantined: { raw_value: 7 },
    "dagster/row_count": { raw_value: 2 },
  });
  const kept = await project.query(QUARANTINE);
  expect(kept.map(([run]) => run)).toEqual(Array(7).fill("run"));
  expect(kept.map(([, , , value]) => value)).toEqual(
    expect.arrayContaining([
      `{"id":"NaN","t":"'); DROP TABLE a.x; --","price":null}`,
      `{"id":2147483648,"t":"\\u0000\\ud800😀\\"","price":null}`,
      `{"id":4,"t":"5n","price":"1.005"}`,
      "null",
      `"row"`,
      `{"id":5,"price":null}`,
      `{"id":6,"t":"x","price":null,"extra":"Infinity"}`,
    ]),
  );
  for (const [, , reason] of kept) expect(reason).not.toBe("");
});

test("one more bad row than the limit fails the asset, keeps the bad rows, and leaves the table", async () => {
  const project = createProject({ "assets/a/x.ts": source(`yield { id: 7, t: "old", price: null };`) });
  expect((await launch(project, "first")).code).toBe(0);
  project.write({ "assets/a/x.ts": source(BAD, "quarantine: { maxRows: 6 },") });
  const { code, messages } = await launch(project, "second");
  expect(code).not.toBe(0);
  expect(JSON.stringify(messages.at(-1))).toMatch(/7 of 9 rows broke the contract of a\/x, 6 allowed.*row \d+: /);
  expect(await project.query("SELECT id FROM a.x")).toEqual([["7"]]);
  expect(await project.query(QUARANTINE)).toHaveLength(7);
  expect(project.staging()).toEqual([]);

  // The default allows none; a run without bad rows clears what the one before kept.
  project.write({ "assets/a/x.ts": source(`yield { id: "x", t: "", price: null };`) });
  expect((await launch(project, "third")).code).not.toBe(0);
  expect((await project.query(QUARANTINE)).map(([run]) => run)).toEqual(["third"]);
  project.write({ "assets/a/x.ts": source(`yield { id: 8, t: "", price: null };`) });
  expect((await launch(project, "fourth")).code).toBe(0);
  expect(await project.query(QUARANTINE)).toEqual([]);
});

test("a refused publish keeps its bad rows too, whether its checks read other tables or not", async () => {
  const parent = assetFile("a/parent", `columns: z.strictObject({ id: z.int32() }), body: sql\`SELECT 1::INT AS id\``);
  for (const check of [`d.rowCount({ min: 5 })`, `d.references("id", parent, "id")`]) {
    const text = source(
      `yield { id: 2, t: "", price: null }; yield { id: "bad" };`,
      `checks: [${check}], quarantine: { maxRows: 1 },`,
    );
    const project = createProject({
      "assets/a/parent.ts": parent,
      "assets/a/x.ts": `import { parent } from "./parent.ts";\n${text}`,
    });
    expect((await project.run(["a/parent"]).ended).code).toBe(0);
    const { code, messages } = await launch(project, "run");
    expect(code).toBe(0);
    expect(JSON.stringify(messages)).toContain('"outcome":"refused"');
    expect(await project.query(QUARANTINE)).toHaveLength(1);
    expect(project.staging()).toEqual([]);
  }
});

test("an endless source of bad rows is stopped soon after the limit", async () => {
  const project = createProject({ "assets/a/x.ts": source(`for (;;) yield { id: "bad" };`) });
  const { code, messages } = await launch(project, "run");
  expect(code).not.toBe(0);
  expect(JSON.stringify(messages.at(-1))).toContain("broke the contract");
  expect((await project.query(QUARANTINE)).length).toBeLessThan(10_000);
});

test("rows, pages and Arrow batches of one body end up in one table, each row validated", async () => {
  const project = createProject({
    "assets/a/x.ts": source(
      `yield { id: 1, t: "row", price: null };
       yield [{ id: 2, t: "page", price: "2.00" }, { id: 3, t: "page", price: null }];
       yield [];
       const table = arrow.tableFromArrays({ id: Int32Array.of(4, 5), t: ["arrow", null] });
       const price = arrow.vectorFromArray([null, null], new arrow.Utf8());
       yield table.assign(new arrow.Table({ price }));
       yield table.assign(new arrow.Table({ price })).batches[0];`,
      "quarantine: { maxRows: 2 },",
    ),
  });
  const { code, messages } = await launch(project, "run");
  expect(code, JSON.stringify(messages.at(-1))).toBe(0);
  expect(await project.query("SELECT id, t FROM a.x ORDER BY id, t")).toEqual([
    ["1", "row"],
    ["2", "page"],
    ["3", "page"],
    ["4", "arrow"],
    ["4", "arrow"],
  ]);
  expect(metadataOf(messages)["rows_quarantined"]).toEqual({ raw_value: 2, type: "int" });
});

test("Dagster is told what became of replayed rows, and a re-execution of the replay tells it again", async () => {
  const asset = (rule: string): string =>
    source(
      `yield { id: 1, t: "low", price: null }; yield { id: 2, t: "OK", price: null };`,
      'quarantine: { maxRows: 1 }, write: d.append({ cursor: "id" }),',
    ).replace("t: z.string()", `t: z.string()${rule}`);
  const project = createProject({ "assets/a/x.ts": asset(".regex(/^[A-Z]+$/)") });
  expect((await launch(project, "first")).code).toBe(0);
  project.write({ "assets/a/x.ts": asset("") });
  // A re-execution of the first run, which was asked for a replay.
  const replay = project.launch(KEY, { runId: "again", rootRunId: "first", resume: true, replay: true });
  expect((await replay.ended).code).toBe(0);
  expect(metadataOf(replay.messages())).toMatchObject({
    ...{ rows_read: { raw_value: 1 }, rows_replayed: { raw_value: 1 }, rows_written: { raw_value: 1 } },
    ...{ rows_superseded: { raw_value: 0 }, rows_quarantined: { raw_value: 0 } },
  });
  const twice = project.launch(KEY, { runId: "third", rootRunId: "first", resume: true, replay: true });
  expect((await twice.ended).code).toBe(0);
  expect(JSON.stringify(twice.messages())).toContain('"outcome":"reused"');
  expect(await project.query("SELECT id, t FROM a.x ORDER BY id")).toEqual([
    ["1", "low"],
    ["2", "OK"],
  ]);
  expect(await project.query(QUARANTINE)).toEqual([]);
});
