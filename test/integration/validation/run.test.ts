import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { query } from "../../../ops/engines/postgres.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { sortByNeeds } from "../../../runtime/order.ts";
import { createProject, type PipesMessage, type Project } from "../runtime/project.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const KEY = "shop/validate_sales";
let workbooks = "";

beforeAll(() => {
  workbooks = mkdtempSync(join(tmpdir(), "workbooks-"));
  execFileSync(resolve(HERE, "../../../.venv/bin/python"), [join(HERE, "write_workbooks.py"), workbooks]);
});

afterAll(() => {
  rmSync(workbooks, { recursive: true, force: true });
});

const SALES = `import { date, decimal, defineAsset, sql, z } from "dagster-typescript";
export const sales = defineAsset("shop/sales", {
  description: "Sales of each shop and day.",
  columns: z.strictObject({ shop: z.string(), day: date(), visits: z.int(), revenue: decimal(14, 2) }),
  body: sql\`SELECT shop, CAST(day AS DATE) AS day, CAST(visits AS BIGINT) AS visits, CAST(revenue AS DECIMAL(14, 2)) AS revenue
    FROM (VALUES ('berlin', '2026-01-01', 3, 10.5), ('berlin', '2026-01-02', 4, 20.25), ('rome', '2026-01-01', 5, 30.75))
    AS t (shop, day, visits, revenue)\`,
});`;
const validation = (
  left: string,
): string => `import { date, decimal, sql, validateMigration, xlsx, z } from "dagster-typescript";
import { sales } from "./sales.ts";
export const validate_sales = validateMigration("${KEY}", {
  description: "Sales as the <workbook> has them.",
  left: ${left},
  right: xlsx("data/sales.xlsx", { sheet: "Revenue" }),
  columns: z.strictObject({ shop: z.string(), day: date(), visits: z.int(), revenue: decimal(14, 2) }),
  key: ["shop", "day"],
  names: { right: { revenue: "Revenue, USD" } },
});`;
const ROLLOUT = `import { defineAsset, sqlCheck, sql, z } from "dagster-typescript";
import { validate_sales } from "./validate_sales.ts";
export const rollout = defineAsset("shop/rollout", {
  description: "Says that the table may be used.",
  columns: z.strictObject({ ready: z.boolean() }),
  checks: [sqlCheck("validated", sql\`SELECT * FROM \${validate_sales}\`)],
  body: sql\`SELECT true AS ready\`,
});`;

function use(project: Project, workbook: string): void {
  copyFileSync(join(workbooks, workbook), join(project.dir, "data/sales.xlsx"));
}

const outcome = (messages: readonly PipesMessage[]): unknown =>
  messages.find(({ method }) => method === "report_custom_message")?.params;

test("a workbook that agrees publishes, one that differs refuses with its rows, one that cannot be read fails; each stops the rollout", async () => {
  const project = createProject({
    "assets/shop/sales.ts": SALES,
    "assets/shop/validate_sales.ts": validation("sales"),
    "assets/shop/rollout.ts": ROLLOUT,
    "data/none": "",
  });
  const { manifest } = await project.manifest();
  expect(manifest.faults).toEqual([]);
  expect(manifest.assets.find(({ key }) => key.join("/") === KEY)).toMatchObject({
    body: "validation",
    deps: [["shop", "sales"]],
    checks: [{ name: "no_difference", blocking: true }],
  });

  use(project, "planted.xlsx");
  const alone = await project.run(["shop/sales", KEY, "shop/rollout"]).ended;
  expect(alone.code).toBe(1);
  expect(alone.stderr).toContain(`${KEY}  refused`);
  expect(alone.stderr).not.toContain("shop/rollout");
  const found = "SELECT kind, count(*) FROM shop.validate_sales GROUP BY ALL ORDER BY ALL";
  const counts = [
    ["duplicate", "1"],
    ["missing", "1"],
    ["no_key", "1"],
    ["unreadable", "2"],
    ["value", "1"],
  ];
  expect(await project.query(found)).toEqual(counts);
  // Also where somebody asks for nothing but the rollout.
  expect((await project.run(["shop/rollout"]).ended).stderr).toContain("validated failed");

  const refused = project.launch(KEY, { runId: "r1" });
  expect(await refused.ended).toMatchObject({ code: 0 });
  expect(outcome(refused.messages())).toMatchObject({ payload: { dagster_typescript: { outcome: "refused" } } });
  expect(refused.messages().map(({ method }) => method)).not.toContain("report_asset_materialization");
  const [check] = refused.messages().filter(({ method }) => method === "report_asset_check");
  expect(check?.params).toMatchObject({
    check_name: "no_difference",
    passed: false,
    severity: "ERROR",
    metadata: { match_rate: { raw_value: 0.166666 }, differences: { raw_value: 6 } },
  });
  const metadata = check?.params["metadata"] as {
    report: { raw_value: string };
    first_differences: { raw_value: string };
  };
  expect(metadata.first_differences.raw_value).toContain("berlin \\| 2026-01-01");
  const page = readFileSync(metadata.report.raw_value, "utf8");
  expect(page).toContain("berlin | 2026-01-01");
  expect(page).toContain("Sales as the &lt;workbook&gt; has them.");

  // The workbook is mended, and the run executed again: nothing of the refused attempt stands in for it.
  use(project, "plain.xlsx");
  const passed = project.launch(KEY, { runId: "r2", rootRunId: "r1", resume: true });
  expect(await passed.ended).toMatchObject({ code: 0 });
  expect(outcome(passed.messages())).toMatchObject({ payload: { dagster_typescript: { outcome: "published" } } });
  expect(await project.query(found)).toEqual([]);
  const history =
    "SELECT column_name, passed, compared, equal, match_rate, left_total, right_total, run_id FROM shop.validate_sales_history ORDER BY 1";
  expect(await project.query(history)).toEqual([
    ["(rows)", "true", "3", "3", "1", null, null, "r2"],
    ["revenue", "true", "3", "3", "1", "61.5", "61.5", "r2"],
    ["visits", "true", "3", "3", "1", "12", "12", "r2"],
  ]);
  expect((await project.run(["shop/rollout"]).ended).code).toBe(0);

  use(project, "cut.xlsx");
  const failed = project.launch(KEY, { runId: "r3" });
  expect((await failed.ended).code).not.toBe(0);
  expect(outcome(failed.messages())).toEqual({
    payload: { dagster_typescript: { asset_key: KEY, retryable: false } },
  });
  expect(await project.query("SELECT kind, detail LIKE '%is damaged%' FROM shop.validate_sales")).toEqual([
    ["not_compared", "true"],
  ]);
  // Of each column, and on the page too: what the run before found that day is no more true.
  expect(
    await project.query("SELECT DISTINCT passed, equal, match_rate, run_id FROM shop.validate_sales_history"),
  ).toEqual([["false", "0", "0", "r3"]]);
  const again = readFileSync(metadata.report.raw_value, "utf8");
  expect(again).toContain("Nothing was compared");
  expect(again).not.toContain("Both sides are the same");
  expect((await project.run(["shop/rollout"]).ended).code).toBe(1);
  expect(existsSync(join(project.dir, "data/transfers")) ? readdirs(project) : []).toEqual([]);
});

function readdirs(project: Project): string[] {
  return execFileSync("ls", [join(project.dir, "data/transfers")], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean);
}

test("the SQL of a side is proven with the manifest, and what Superset shows is compared after its dataset is synced", async () => {
  const shown = SALES.replace("body: sql", "superset: {}, body: sql");
  const project = createProject({
    "assets/shop/sales.ts": shown,
    "assets/shop/validate_sales.ts": validation("supersetDataset(sales)").replace("sql,", "supersetDataset,"),
    // What comes after is shown in Superset too.
    "assets/shop/rollout.ts": ROLLOUT.replace("body: sql", "superset: {}, body: sql"),
  });
  const sound = await project.manifest();
  expect(sound.manifest.faults).toEqual([]);
  expect(sound.manifest.assets.find(({ key }) => key.join("/") === KEY)).toMatchObject({
    deps: [
      ["shop", "sales"],
      ["superset", "dataset", "shop", "sales"],
    ],
  });

  const deps = new Map(sound.manifest.assets.map((asset) => [asset.key.join("/"), asset.deps.map((key) => key.join("/"))])); // prettier-ignore
  expect(deps.get("superset/snapshot")).toEqual(["shop/sales"]);
  expect(deps.get("superset/dataset/shop/rollout")).toEqual(["shop/rollout", "superset/snapshot"]);
  // Dagster takes no graph in which two wait for each other.
  expect(sortByNeeds(deps.keys(), (key) => deps.get(key) ?? [])).toMatchObject({ cycles: [] });

  const faulty = createProject({
    "assets/shop/sales.ts": SALES,
    "assets/shop/validate_sales.ts": validation(
      "sql`SELECT shop, day, CAST(visits AS INTEGER) AS visits, revenue FROM ${sales}`",
    ),
    "assets/shop/validate_more.ts": validation("sales")
      .replaceAll("validate_sales", "validate_more")
      .replace(/right: xlsx.*$/m, "right: sql`SELECT shop, day, visits, revenue FROM ${sales}`,"),
    "assets/shop/validate_none.ts": validation("sql`SELECT nothing FROM shop.sales`")
      .replaceAll("validate_sales", "validate_none")
      .replace(", xlsx", "")
      .replace(/right: xlsx.*$/m, "right: sales,")
      .replace(/names:.*$/m, ""),
  });
  const { manifest } = await faulty.manifest();
  expect(manifest.faults.map(({ code, asset, message }) => [code, asset?.[1], message])).toEqual([
    ["contract_mismatch", "validate_more", expect.stringMatching(/^right: .*Revenue, USD/)],
    ["bad_sql", "validate_none", expect.stringMatching(/^left: .*nothing/)],
    ["contract_mismatch", "validate_sales", expect.stringMatching(/^left: .*visits/)],
  ]);
});

test("a table of another database is compared with SQL of the store, decimals before they are rounded", async () => {
  const folder = mkdtempSync(join(tmpdir(), "validation-postgres-"));
  const server = await startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false });
  try {
    await query(server.url, "CREATE TABLE public.theirs (shop text, total numeric, at timestamptz)");
    await query(
      server.url,
      "INSERT INTO public.theirs VALUES ('a', 1.011, '2026-01-01 00:00+00'), ('b', 2, '2026-01-01 00:00+02'), ('c', 3, NULL)",
    );
    const project = createProject({
      "assets/shop/compared.ts": `import { decimal, postgresTable, sql, timestamp, validateMigration, z } from "dagster-typescript";
export const compared = validateMigration("shop/compared", {
  description: "Theirs and ours.",
  store: "postgres",
  left: sql\`SELECT shop, CAST(total AS NUMERIC(14, 2)) AS total, CAST(at AS TIMESTAMPTZ) AS at
    FROM (VALUES ('a', 1.00, '2026-01-01 00:00+00'), ('b', 2.00, '2025-12-31 22:00+00'), (\${"d"}, 4.00, NULL)) AS t (shop, total, at)\`,
  right: postgresTable("public.theirs", { url: "THEIR_URL" }),
  columns: z.strictObject({ shop: z.string(), total: decimal(14, 2), at: timestamp().nullable() }),
  key: ["shop"],
});`,
    });
    const env = { DATABASE_URL: server.url, THEIR_URL: server.url };
    const ran = await project.run(["shop/compared"], env).ended;
    expect(ran.stderr).toContain("shop/compared  refused");
    const rows = await rowsOf(
      server.url,
      "SELECT kind, side, key, column_name, left_value, right_value FROM shop.compared ORDER BY 1, 2",
    );
    expect(rows).toEqual([
      ["missing", "left", "c", null, null, null],
      ["missing", "right", "d", null, null, null],
      ["value", null, "a", "total", "1", "1.011"],
    ]);
    const history = await rowsOf(server.url, "SELECT column_name, equal FROM shop.compared_history ORDER BY 1");
    expect(history).toEqual([
      ["(rows)", "1"],
      ["at", "2"],
      ["total", "1"],
    ]);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function rowsOf(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}
