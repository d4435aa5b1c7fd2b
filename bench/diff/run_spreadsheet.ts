// Reads the workbook in the folder, or joins two tables of its rows, or compares it with the warehouse. Prints the seconds.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { Client } from "../../resources/duckdb/client.ts";
import { duckdb } from "../../resources/duckdb/kind.ts";
import type { Attempt, Target } from "../../resources/store.ts";
import { compareSides, type ComparedColumn, readFile } from "../../resources/validation/index.ts";
import { Package } from "../../resources/validation/xlsx/package.ts";
import { readXml } from "../../resources/validation/xlsx/xml.ts";
import type { Column } from "../../definitions/column_type.ts";

const [folder = "", how] = process.argv.slice(2);
const path = join(folder, "revenue.xlsx");
const ROUNDS = 3;

const column = (name: string, type: Column["type"], isKey: boolean): ComparedColumn => ({
  ...{ name, type, isKey, relative: 0, ignoreCase: false },
  absolute: type.kind === "decimal" ? "0.01" : "0",
});
const COLUMNS = [
  column("store_id", { kind: "int32" }, true),
  column("day", { kind: "date" }, true),
  column("receipts", { kind: "int64" }, false),
  column("revenue", { kind: "decimal", precision: 14, scale: 2 }, false),
  column("note", { kind: "string" }, false),
];

/** Unzips and parses the sheet, which whoever reads it has to. */
async function parse(): Promise<number> {
  const parts = await Package.open(path);
  let cells = 0;
  await readXml(parts.read("xl/worksheets/sheet1.xml"), {
    open: (name) => {
      if (name === "c") cells += 1;
    },
  });
  parts.close();
  return cells / 5 - 1;
}

async function readAll(): Promise<number> {
  const source = { format: "xlsx", path, where: { kind: "sheet", sheet: "Revenue", range: null } } as const;
  const side = await readFile({ ...source, hiddenRows: "read", decimal: ".", days: "YMD", timezone: "UTC" }, [
    "store_id",
    "day",
  ]);
  if (side.kind !== "cells") throw new TypeError("a workbook has cells");
  return [...(side.table.rows as Iterable<unknown>)].length;
}

async function join100k(): Promise<number> {
  const client = await Client.open(join(folder, "warehouse.duckdb"));
  const { rows } = await client.text(
    `SELECT count(*) FROM retail.revenue AS l FULL JOIN retail.copy AS r USING (store_id, day)
     WHERE abs(l.revenue - r.revenue) <= 0.01 AND l.receipts = r.receipts AND l.note = r.note`,
  );
  client.close();
  return Number(rows[0]?.[0]);
}

async function validate(): Promise<number> {
  const signal = new AbortController().signal;
  const attempt: Attempt = {
    ...{
      runId: "bench",
      rootRunId: "bench",
      codeVersion: "bench",
      startedAt: new Date(),
      signal,
      log: () => undefined,
    },
  };
  const own = join(folder, "compared");
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  const source = { format: "xlsx", path, where: { kind: "sheet", sheet: "Revenue", range: null } } as const;
  const right = await readFile({ ...source, hiddenRows: "read", decimal: ".", days: "YMD", timezone: "UTC" }, [
    "store_id",
    "day",
  ]);
  const store = await duckdb.open(folder, { DUCKDB_PATH: join(folder, "warehouse.duckdb") });
  const target: Target = {
    ...{ assetKey: "retail/revenue", schema: "retail", table: "revenue", description: "", key: [], storage: {} },
    columns: COLUMNS.map(({ name, type }) => ({ name, type, value: "string", nullable: false, description: null })),
    strategy: { kind: "replace" },
  };
  const left = join(own, "left.parquet");
  await store.exportParquet(target, left, attempt);
  await store.close();
  const found = await compareSides({
    ...{ left: { kind: "parquet", path: left }, right, columns: COLUMNS, names: { left: {}, right: {} }, folder: own },
    ...{ maxRows: 10_000, signal },
  });
  if (found.differences > 0) throw new Error(`${found.differences} differences`);
  return found.matches[0]?.equal ?? 0;
}

/** The tables that are joined by hand. */
async function prepare(): Promise<number> {
  const instance = await DuckDBInstance.create(join(folder, "warehouse.duckdb"));
  const connection = await instance.connect();
  await connection.run("CREATE SCHEMA retail");
  await connection.run(`CREATE TABLE retail.revenue AS SELECT CAST(store_id AS INTEGER) AS store_id, day, receipts,
    CAST(revenue AS DECIMAL(14, 2)) AS revenue, note FROM read_csv('${join(folder, "revenue.csv")}')`);
  await connection.run("CREATE TABLE retail.copy AS FROM retail.revenue");
  connection.closeSync();
  instance.closeSync();
  return 0;
}

const acts = { parse, read: readAll, join: join100k, validate, prepare };
const act = acts[how as keyof typeof acts];
// Once without being counted: what is compiled and cached is there for all.
const rounds = how === "prepare" ? 1 : ROUNDS;
if (how !== "prepare") await act();
const cpu = process.cpuUsage();
const start = performance.now();
let rows = 0;
for (let round = 0; round < rounds; round += 1) rows = await act();
const { user, system } = process.cpuUsage(cpu);
console.log(
  JSON.stringify({ seconds: (performance.now() - start) / 1000 / rounds, cpu_s: (user + system) / 1e6 / rounds, rows }),
);
