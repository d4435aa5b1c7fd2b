import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleaned_events } from "../../../assets/retail/cleaned_events.ts";
import { dashboard_data } from "../../../assets/retail/dashboard_data.ts";
import { revenue_by_store_daily } from "../../../assets/retail/revenue_by_store_daily.ts";
import { rollout } from "../../../assets/retail/rollout.ts";
import { validate_revenue } from "../../../assets/retail/validate_revenue.ts";
import { sales_daily } from "../../../assets/retail/sales_daily.ts";
import { sales_hourly } from "../../../assets/retail/sales_hourly.ts";
import { user_metrics } from "../../../assets/retail/user_metrics.ts";
import { readColumn } from "../../../definitions/column_type.ts";
import type { z } from "../../../definitions/index.ts";
import { type PosApi, startPosApi } from "../../../resources/pos_api/server.ts";
import { type Warehouse, WAREHOUSES } from "./warehouses.ts";

// The same graph on every store: the files from head office whole, the API with one household in 25. What DuckDB makes
// of it is what the others are held to; reference_graph.test.ts holds DuckDB to the source.

const REFERENCE = "duckdb";
const SOURCES = ["raw_events", "transactions", "products", "demographics"];
const DERIVED = {
  cleaned_events,
  user_metrics,
  dashboard_data,
  revenue_by_store_daily,
  sales_hourly,
  sales_daily,
  validate_revenue,
  rollout,
};
type Table = keyof typeof DERIVED;
const TABLES = Object.keys(DERIVED) as Table[];

let folder: string;
let api: PosApi;
let expected: Readonly<Record<Table, string[]>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "every-store-"));
  const parquetPath = join(folder, "lines.parquet");
  await sample(parquetPath);
  api = await startPosApi({ parquetPath });
  expected = await derive(REFERENCE);
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

describe("on the reference", () => {
  test("there is something of every kind to compare: duplicates, fuel, unknown articles, unsurveyed households", () => {
    const count = (table: Table, column: string, value: string): number => {
      const index = Object.keys(DERIVED[table].columns.shape).indexOf(column);
      return expected[table].filter((row) => row.split("|")[index] === value).length;
    };
    const lines = expected.cleaned_events.length;
    expect(lines).toBeGreaterThan(10_000);
    expect(expected.revenue_by_store_daily).toHaveLength(38_410);
    // The workbook of finance says the same, so it was rolled out.
    expect(expected.validate_revenue).toEqual([]);
    expect(expected.rollout).toHaveLength(364);
    expect(new Set(expected.cleaned_events.map((row) => row.split("|")[0])).size).toBe(lines);
    expect(count("cleaned_events", "fuel_gallons", "NULL")).toBeGreaterThan(0);
    expect(count("cleaned_events", "fuel_gallons", "NULL")).toBeLessThan(lines);
    expect(count("cleaned_events", "department", "NULL")).toBeGreaterThan(0);
    expect(count("user_metrics", "age", "NULL")).toBeGreaterThan(0);
    expect(count("dashboard_data", "age", "Unknown")).toBe(1);
  });
});

describe.each(Object.keys(WAREHOUSES).filter((name) => name !== REFERENCE))("on %s", (name) => {
  test("every derived table has exactly the rows that it has on DuckDB", async () => {
    const found = await derive(name);
    for (const table of TABLES) {
      expect(found[table], table).toHaveLength(expected[table].length);
      // A few of the rows that differ say more than all of them.
      expect(missing(found[table], expected[table]), table).toEqual([]);
      expect(missing(expected[table], found[table]), table).toEqual([]);
    }
  });
});

/** The lines of some households; some of them delivered twice, and some again with another value. */
async function sample(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  try {
    const connection = await instance.connect();
    await connection.run(`
      COPY (
        WITH lines AS (
          SELECT * FROM read_parquet('data/completejourney/transactions.parquet') WHERE household_id % 25 = 0
        )
        FROM lines
        UNION ALL FROM lines WHERE product_id % 4001 = 0
        UNION ALL SELECT * REPLACE (sales_value + 0.01 AS sales_value) FROM lines WHERE product_id % 4003 = 0
      ) TO '${path}'`);
  } finally {
    instance.closeSync();
  }
}

/** Runs the graph on a store and reads what came of it; the store is gone afterwards. */
async function derive(name: string): Promise<Readonly<Record<Table, string[]>>> {
  const own = join(folder, name);
  await mkdir(own);
  const warehouse = await WAREHOUSES[name]?.(own);
  if (warehouse === undefined) throw new TypeError(`no store is called ${name}`);
  try {
    const { exitCode, stderr } = await runGraph({ ...warehouse.env, WAREHOUSE: name });
    expect(exitCode, stderr).toBe(0);
    const tables = await Promise.all(TABLES.map(async (table) => [table, await rowsOf(warehouse, table)] as const));
    return Object.fromEntries(tables) as Record<Table, string[]>;
  } finally {
    await warehouse.close();
  }
}

async function runGraph(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly exitCode: number | null; readonly stderr: string }> {
  const keys = [...SOURCES, ...TABLES].map((table) => `retail/${table}`);
  const child = spawn(process.execPath, ["runtime/main.ts", "--partitions", "2017-01-01...2018-01-01", ...keys], {
    env: { ...process.env, ...env, POS_API_URL: api.url },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { exitCode, stderr };
}

/** The rows of a table in one spelling and one order. */
async function rowsOf(warehouse: Warehouse, table: Table): Promise<string[]> {
  const shape: Readonly<Record<string, z.ZodType>> = DERIVED[table].columns.shape;
  const spell = Object.entries(shape).map(([name, schema]) => spelling(name, schema));
  const rows = await warehouse.query(`SELECT ${Object.keys(shape).join(", ")} FROM retail.${table}`);
  return rows
    .map((row) => row.map((value, index) => (value === null ? "NULL" : spell[index]?.(value))).join("|"))
    .sort();
}

/** Engines write instants and doubles in their own ways; all else is compared as it is written. */
function spelling(name: string, schema: z.ZodType): (value: string) => string {
  const result = readColumn(name, schema);
  const kind = result.ok ? result.column.type.kind : undefined;
  if (kind === "timestamp") return (value) => new Date(value.replace(/\+00$/, "Z")).toISOString();
  if (kind === "float64") return (value) => String(Number(value));
  return (value) => value;
}

function missing(from: readonly string[], rows: readonly string[]): string[] {
  const known = new Set(from);
  return rows.filter((row) => !known.has(row)).slice(0, 3);
}
