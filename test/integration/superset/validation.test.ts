import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { supersetChart, supersetDataset } from "../../../definitions/index.ts";
import type { Engine } from "../../../ops/engines/engine.ts";
import { query } from "../../../ops/engines/postgres.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import {
  type ComparedColumn,
  compareSides,
  type Comparison,
  readFile,
  readSuperset,
} from "../../../resources/validation/index.ts";
import { createProject } from "../runtime/project.ts";
import { localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { ownDatabase } from "./own_database.ts";

const folder = mkdtempSync(join(tmpdir(), "superset-validation-"));
const signal = new AbortController().signal;
let postgres: Engine | undefined;
let chartId = 0;

const column = (name: string, type: ComparedColumn["type"], isKey = false): ComparedColumn => ({
  ...{ name, type, isKey, relative: 0, ignoreCase: false },
  absolute: type.kind === "decimal" ? "0.01" : "0",
});
const COLUMNS = [
  column("shop", { kind: "string" }, true),
  column("day", { kind: "date" }, true),
  column("at", { kind: "timestamp" }),
  column("revenue", { kind: "decimal", precision: 14, scale: 2 }),
  // More than a double holds.
  column("receipt", { kind: "int64" }),
];
const NAMES = COLUMNS.map(({ name }) => name);
const made = z.object({ id: z.number() });

beforeAll(async () => {
  const [superset, started] = await Promise.all([
    localSuperset(),
    startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false }),
  ]);
  postgres = started;
  for (const [name, value] of Object.entries({ ...superset.env, DATABASE_URL: started.url })) vi.stubEnv(name, value);
  await query(started.url, "CREATE SCHEMA validated");
  await query(
    started.url,
    `CREATE TABLE validated.sales AS SELECT 'shop ' || n % 3 AS shop, DATE '2026-01-01' + n / 3 AS day,
      TIMESTAMPTZ '2026-01-01 10:00:00+00' + n * INTERVAL '1 second' AS at, CAST(n * 1.37 AS numeric(14, 2)) AS revenue,
      9007199254740993 + n AS receipt
      FROM generate_series(0, 29) AS n`,
  );
  const client = superset.client();
  const database = await ownDatabase(client, "validated", "postgres", { DATABASE_URL: started.url });
  const dataset = await client.post("/dataset/", { database, schema: "validated", table_name: "sales" }, made);
  const datasource = { id: dataset.id, type: "table" };
  const sum = { expressionType: "SQL", sqlExpression: "SUM(revenue)", label: "Revenue, all days" };
  const queries = [{ columns: ["shop"], metrics: [sum], row_limit: 100, orderby: [["shop", true]] }];
  const chart = async (name: string, asked: readonly object[]): Promise<number> => {
    const body = {
      ...{ slice_name: name, viz_type: "table", datasource_id: dataset.id, datasource_type: "table" },
      params: JSON.stringify({ viz_type: "table" }),
      query_context: JSON.stringify({ datasource, queries: asked, result_format: "json", result_type: "full" }),
    };
    return (await client.post("/chart/", body, made)).id;
  };
  chartId = await chart("Revenue by shop", queries);
  await chart("Revenue twice", [...queries, ...queries]);
}, SUPERSET_TIMEOUT_MS);

afterAll(async () => {
  vi.unstubAllEnvs();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function compare(
  side: ReturnType<typeof supersetDataset>,
  csv: string,
  columns: readonly ComparedColumn[],
  left: Record<string, string> = {},
): Promise<Comparison> {
  const own = mkdtempSync(join(folder, "compare-"));
  mkdirSync(join(own, "files"));
  const path = join(own, "right.csv");
  writeFileSync(path, csv);
  const keys = columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  const table = await readSuperset(
    side,
    columns.map(({ name }) => left[name] ?? name),
    keys,
    signal,
  );
  const right = await readFile(
    { format: "csv", path, delimiter: ";", encoding: "utf-8", decimal: ".", days: "YMD", timezone: "UTC" },
    keys,
  );
  return await compareSides({
    left: { kind: "cells", table, forms: side },
    ...{ right, columns, names: { left, right: {} }, folder: join(own, "files"), maxRows: 100, signal },
  });
}

test("a dataset is compared as Superset gives it: texts, days, instants and money", async () => {
  const lines = Array.from({ length: 30 }, (_, n) => {
    const day = `2026-01-${String(1 + Math.floor(n / 3)).padStart(2, "0")}`;
    return `shop ${n % 3};${day};2026-01-01T10:00:${String(n).padStart(2, "0")}Z;${((n * 137) / 100).toFixed(2)};${9_007_199_254_740_993n + BigInt(n)}`;
  });
  const same = await compare(supersetDataset("validated.sales"), [NAMES.join(";"), ...lines].join("\n"), COLUMNS);
  expect(same.sample.rows).toEqual([]);
  expect(same.matches[0]).toMatchObject({ compared: 30, equal: 30 });
  const changed = [
    NAMES.join(";"),
    ...lines.slice(1),
    lines[0]?.replace("0.00", "0.02").replace("40993", "40992") ?? "",
  ].join("\n");
  const found = await compare(supersetDataset("validated.sales"), changed, COLUMNS);
  expect(found.sample.rows.map((row) => row.slice(0, 6))).toEqual([
    ["value", null, "shop 0 | 2026-01-01", "receipt", "9007199254740993", "9007199254740992"],
    ["value", null, "shop 0 | 2026-01-01", "revenue", "0", "0.02"],
  ]);
});

test("an asset whose side is a dataset is refused where its users see something else than the file says, and fails where Superset cannot be reached", async () => {
  const line = (n: number): string => `shop ${n % 3},2026-01-${String(1 + Math.floor(n / 3)).padStart(2, "0")}`;
  const lines = Array.from({ length: 30 }, (_, n) => `${line(n)},${((n * 137) / 100).toFixed(2)}`);
  const project = createProject({
    "data/sales.csv": ["Shop,Day,Revenue", ...lines].join("\n"),
    "assets/shop/validated.ts": `import { csv, date, decimal, supersetDataset, validateMigration, z } from "dagster-typescript";
export const validated = validateMigration("shop/validated", {
  description: "What people see in Superset.",
  left: supersetDataset("validated.sales"),
  right: csv("data/sales.csv"),
  columns: z.strictObject({ place: z.string(), day: date(), revenue: decimal(14, 2) }),
  key: ["place", "day"],
  names: { left: { place: "shop" }, right: { place: "Shop" } },
});`,
  });
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(SUPERSET|DATABASE)_/.test(name)));
  const run = async (change: Record<string, string> = {}): Promise<string> =>
    (await project.run(["shop/validated"], { ...(env as Record<string, string>), ...change }).ended).stderr;
  expect(await run()).toContain("shop/validated  published");
  await query(postgres?.url ?? "", "UPDATE validated.sales SET revenue = revenue + 1 WHERE shop = 'shop 1'");
  // What is in the cache is what people see; nobody has emptied it.
  expect(await run()).toContain("shop/validated  published");
  await query(postgres?.url ?? "", "UPDATE validated.sales SET revenue = revenue - 1 WHERE shop = 'shop 1'");
  writeFileSync(join(project.dir, "data/sales.csv"), ["Shop,Day,Revenue", ...lines.slice(1)].join("\n"));
  expect(await run()).toContain("shop/validated  refused");
  expect(await run({ SUPERSET_URL: "http://127.0.0.1:9" })).toContain("SupersetUnreachable");
  expect(await project.query("SELECT kind, detail LIKE '%127.0.0.1:9%' FROM shop.validated")).toEqual([
    ["not_compared", "true"],
  ]);
});

test("a chart is compared by the labels that its readers see", async () => {
  const columns = [
    column("shop", { kind: "string" }, true),
    column("revenue", { kind: "decimal", precision: 14, scale: 2 }),
  ];
  const csv = "shop;revenue\nshop 0;184.95\nshop 1;198.65\nshop 2;212.36\n";
  for (const name of ["Revenue by shop", String(chartId)]) {
    const found = await compare(supersetChart(name), csv, columns, { revenue: "Revenue, all days" });
    expect(found.sample.rows.map((row) => row.slice(2, 6))).toEqual([]);
  }
});

test("nothing is compared where Superset has no such dataset, or cannot compute it or all of it", async () => {
  const read = (side: ReturnType<typeof supersetDataset>, columns = NAMES): Promise<unknown> =>
    readSuperset(side, columns, ["shop"], signal);
  await expect(read(supersetDataset("validated.nothing"))).rejects.toMatchObject({ code: "missing_part" });
  await expect(read(supersetDataset("validated.sales"), ["shop", "nowhere"])).rejects.toThrow();
  await expect(read(supersetChart("Revenue twice"))).rejects.toThrow(/2 queries at once/);
});
