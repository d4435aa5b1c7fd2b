import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import { currentSnapshot } from "../../../resources/snapshot.ts";
import { assetFile, Project } from "../runtime/project.ts";
import { attempt } from "../stores/attempt.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { ownDatabase } from "./own_database.ts";

const FLIPS = 12;
const DATABASE = "snapshots";

const made = z.object({ id: z.number() });
const listed = z.object({ id: z.number(), schema: z.string().nullable(), table_name: z.string() });
const answer = z.object({ result: z.array(z.object({ data: z.array(z.record(z.string(), z.unknown())) })) });

/** Amounts in `columns`, read back by charts in Superset. */
const asset = (columns: string, options = "superset: {},", row = `{ id: 1, amount: "1.50", note: "n" }`): string =>
  assetFile(
    "flip/sales",
    `columns: z.strictObject({ ${columns} }), ${options} body: { async *rows() { yield ${row}; } }`,
  );
const COLUMNS = `id: z.int(), amount: d.decimal(12, 2), note: z.string()`;

let superset: LocalSuperset;
let client: SupersetClient;
let databaseId: number;
let env: Readonly<Record<string, string>>;
const project = new Project({ "assets/flip/sales.ts": asset(COLUMNS) });

beforeAll(async () => {
  superset = await localSuperset();
  client = superset.client();
  env = { ...superset.env, DUCKDB_PATH: project.warehouse, SUPERSET_DATABASE_DUCKDB: DATABASE };
}, SUPERSET_TIMEOUT_MS);
afterAll(() => {
  project.remove();
});

async function run(...keys: readonly string[]): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return await project.run(keys, env).ended;
}

test("a dataset of DuckDB is synced over the published snapshot, which has the rows of its asset whatever ran before", async () => {
  expect(await run("flip/sales", "superset/snapshot")).toMatchObject({ code: 0 });
  const path = currentSnapshot(project.dir, env);
  // The connection can be made once there is a snapshot.
  databaseId = await ownDatabase(client, DATABASE, "duckdb", env, path);
  expect(await run("superset/dataset/flip/sales")).toMatchObject({ code: 0 });
  const { id } = await datasetOf("sales");
  expect(await ask(id, { total: "SUM(amount)" })).toEqual({ total: 1.5 });
  project.write({ "assets/flip/sales.ts": asset(COLUMNS, undefined, `{ id: 2, amount: "2.50", note: "n" }`) });
  // The dataset by hand, and not the snapshot.
  expect(await run("flip/sales", "superset/dataset/flip/sales")).toMatchObject({ code: 0 });
  expect(await ask(id, { total: "SUM(amount)" })).toEqual({ total: 2.5 });
});

test("a publish that would break charts names them and their dashboards, those of metrics too, or why it cannot", async () => {
  const { id } = await datasetOf("sales");
  const chart = async (name: string, params: object): Promise<number> => {
    const body = { slice_name: name, viz_type: "table", datasource_id: id, datasource_type: "table", params: JSON.stringify(params).replace('"note"', '"\\u006eote"') }; // prettier-ignore
    return (await client.post("/chart/", body, made)).id;
  };
  const direct = await chart(`By "note" 🦆`, { groupby: ["note"], metrics: ["count"] });
  await chart("Counted", { groupby: ["id"], metrics: ["count"] });
  const { result } = await client.get(`/dataset/${id}`, z.object({ result: z.object({ metrics: z.array(z.looseObject({ id: z.number(), metric_name: z.string(), expression: z.string() })) }) })); // prettier-ignore
  const metrics = [
    ...result.metrics.map((one) => ({ id: one.id, metric_name: one.metric_name, expression: one.expression })),
    { metric_name: "notes", expression: "COUNT(DISTINCT note)" },
  ];
  await client.put(`/dataset/${id}`, { metrics }, z.unknown());
  await chart("Notes", { groupby: ["id"], metrics: ["notes"] });
  const { id: dashboard } = await client.post("/dashboard/", { dashboard_title: "The board" }, made);
  await client.put(`/chart/${direct}`, { dashboards: [dashboard] }, z.unknown());

  project.write({
    "assets/flip/sales.ts": asset(`id: z.int(), amount: d.decimal(12, 2)`, undefined, `{ id: 3, amount: "3.50" }`),
  });
  const refused = await run("flip/sales");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('column "note" (VARCHAR) is gone');
  expect(refused.stderr).toContain(`breaks the charts "By \\"note\\" 🦆", "Notes".`);
  expect(refused.stderr).toContain('Other charts of the table: "Counted".');
  expect(refused.stderr).toContain('Dashboards with such charts: "The board".');
  expect(await ask(id, { total: "SUM(amount)" })).toEqual({ total: 2.5 });

  const down = await project.run(["flip/sales"], { ...env, SUPERSET_URL: "http://127.0.0.1:9" }).ended;
  expect(down.code).toBe(1);
  expect(down.stderr).toContain("Superset could not be asked which charts that breaks");
  expect(down.stderr).not.toContain(superset.password);
});

test(`charts during ${FLIPS} flips show no error, no mixture, and nothing old once a snapshot is published`, async () => {
  const store = await duckdb.open(project.dir, env);
  const publish = async (generation: number): Promise<void> => {
    await write(generation);
    const tables = ["one", "two"].map((table) => ({
      assetKey: `flip/${table}`,
      schema: "flip",
      table,
      timeColumn: null,
    }));
    await store.publishSnapshot?.({ tables, keepOthers: true, now: new Date() }, attempt());
    await store.close();
  };
  await publish(1);
  const sql = "SELECT one.generation AS a, two.generation AS b FROM flip.one JOIN flip.two USING (id)";
  const body = { database: databaseId, schema: "flip", table_name: "both", sql };
  const { id } = await client.post("/dataset/", body, made);
  const bounds = { low: "MIN(LEAST(a, b))", high: "MAX(GREATEST(a, b))", rows: "COUNT(*)" };
  let published = 1;
  const over = new AbortController();
  const look = async (): Promise<number> => {
    let looks = 0;
    for (; !over.signal.aborted; looks += 1) {
      const atLeast = published;
      const { low, high, rows } = await ask(id, bounds);
      expect({ low, rows }).toEqual({ low: high, rows: 2000 });
      expect(Number(low)).toBeGreaterThanOrEqual(atLeast);
    }
    return looks;
  };
  const lookers = Promise.all([look(), look()]);
  try {
    for (let generation = 2; generation <= FLIPS + 1; generation += 1) {
      await publish(generation);
      published = generation;
    }
  } finally {
    over.abort();
  }
  expect(Math.min(...(await lookers))).toBeGreaterThan(2);
});

async function datasetOf(table: string): Promise<z.infer<typeof listed>> {
  const found = await client.list("dataset", listed, { columns: ["schema", "table_name"] });
  const [one] = found.filter(({ schema, table_name: name }) => schema === "flip" && name === table);
  if (one === undefined) throw new Error(`no dataset flip.${table}`);
  return one;
}

/** What a chart shows of an aggregate, past the cache. */
async function ask(id: number, named: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const metrics = Object.entries(named).map(([label, sqlExpression]) => ({
    expressionType: "SQL",
    label,
    sqlExpression,
  }));
  const body = {
    datasource: { id, type: "table" },
    force: true,
    queries: [{ metrics, columns: [] }],
    result_format: "json",
  };
  const { result } = await client.post("/chart/data", body, answer, { repeatable: true });
  return result[0]?.data[0] ?? {};
}

/** Two tables of one generation, in one transaction. */
async function write(generation: number): Promise<void> {
  const instance = await DuckDBInstance.create(project.warehouse);
  const connection = await instance.connect();
  const rows = `SELECT n AS id, ${generation} AS generation FROM range(2000) AS numbers(n)`;
  await connection.run(
    `BEGIN; CREATE OR REPLACE TABLE flip.one AS ${rows}; CREATE OR REPLACE TABLE flip.two AS ${rows}; COMMIT`,
  );
  connection.closeSync();
  instance.closeSync();
}
