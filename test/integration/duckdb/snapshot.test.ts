import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { z } from "../../../definitions/index.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import type { PublishedSnapshot, SnapshotJob } from "../../../resources/snapshot.ts";
import { flipSnapshots, killSnapshots } from "./snapshot_soak.ts";
import { attempt, targetOf, Warehouse } from "./warehouse.ts";

/** `npm run soak -- snapshots` has more. */
const KILLS = 3;
const FLIPS = 50;

const line = (table: string, timeColumn: string | null = null): SnapshotJob["tables"][number] => ({
  ...{ assetKey: `retail/${table}`, schema: "retail", table, timeColumn },
});

async function sql(path: string, text: string, mode = "READ_WRITE"): Promise<string[][]> {
  const instance = await DuckDBInstance.create(path, { access_mode: mode });
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(text)).getRows().map((row) => row.map(String));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function publish(
  warehouse: Warehouse,
  job: Partial<SnapshotJob> & Pick<SnapshotJob, "tables">,
): Promise<PublishedSnapshot> {
  try {
    return await warehouse.store.publishSnapshot({ keepOthers: false, now: new Date(), ...job }, attempt());
  } finally {
    await warehouse.store.close();
  }
}

test("readers find the tables with their types and comments, and only what changed is written again", async () => {
  const warehouse = new Warehouse();
  await sql(warehouse.path, "CREATE SCHEMA retail");
  await sql(
    warehouse.path,
    `CREATE TABLE retail.sales AS SELECT n AS id, TIMESTAMPTZ '2017-01-31 23:00:00+00' + to_hours(n::INTEGER) AS sold_at,
      n::DECIMAL(14,2) AS amount, CAST('{"a": 1}' AS JSON) AS note, DATE '2017-01-01' AS day, true AS ok, 'it''s "é"' AS "a ""b"""
    FROM range(1000) AS numbers(n)`,
  );
  await sql(
    warehouse.path,
    "COMMENT ON TABLE retail.sales IS 'What''s sold'; COMMENT ON COLUMN retail.sales.amount IS 'USD'",
  );
  await sql(warehouse.path, "CREATE TABLE retail.none (x INTEGER)");
  const tables = [line("sales", "sold_at"), line("none"), line("not_yet")];
  const first = await publish(warehouse, { tables });
  expect(first).toMatchObject({ isNew: true, missing: ["retail/not_yet"], filesWritten: 4 });
  const look = (path: string): Promise<string[][]> =>
    sql(
      path,
      `SELECT column_name, data_type, coalesce(comment, '') FROM duckdb_columns() WHERE schema_name = 'retail' ORDER BY ALL`,
      "READ_ONLY",
    );
  expect(await look(first.path)).toEqual(await look(warehouse.path));
  const rows = `SELECT count(*), sum(hash(s)), min(s.note) FROM retail.sales AS s`;
  expect(await sql(first.path, rows, "READ_ONLY")).toEqual(await sql(warehouse.path, rows));

  expect(await publish(warehouse, { tables })).toMatchObject({ id: first.id, isNew: false, filesWritten: 0 });

  await sql(
    warehouse.path,
    "UPDATE retail.sales SET amount = amount + 1 WHERE sold_at >= TIMESTAMPTZ '2017-03-01 00:00:00+00'",
  );
  const second = await publish(warehouse, { tables });
  expect(second).toMatchObject({ isNew: true, filesWritten: 1 });
  expect(second.version).not.toBe(first.version);
  expect(await sql(second.path, rows, "READ_ONLY")).toEqual(await sql(warehouse.path, rows));

  // An asset whose file has a fault is not declared at the moment: its readers do not notice.
  expect((await publish(warehouse, { tables: [line("none")], keepOthers: true })).tables).toHaveLength(2);
  expect((await publish(warehouse, { tables: [line("none")] })).tables).toHaveLength(1);
});

test("a snapshot outlives its successor's coming for a while, and files as long as one needs them", async () => {
  const warehouse = new Warehouse();
  const start = Date.now();
  const ids: string[] = [];
  const minutes = (n: number): Date => new Date(start + n * 60_000);
  for (const minute of [0, 10, 20, 30]) {
    await sql(
      warehouse.path,
      `CREATE SCHEMA IF NOT EXISTS retail; CREATE OR REPLACE TABLE retail.x AS SELECT ${minute} AS y`,
    );
    ids.push((await publish(warehouse, { tables: [line("x")], now: minutes(minute) })).id);
  }
  const published = join(warehouse.dir, "published");
  const list = (): string[] => readdirSync(published).filter((name) => name.includes("Z-")).sort(); // prettier-ignore
  const files = (): string[] => readdirSync(join(published, "files", "retail.x"));
  expect(list()).toEqual(ids);
  // Readers left the first one at minute 10, an hour ago; the third at minute 30.
  const later = await publish(warehouse, { tables: [line("x")], now: minutes(81) });
  expect(later).toMatchObject({ isNew: false, snapshotsRemoved: 2 });
  expect(list()).toEqual(ids.slice(2));
  expect(files()).toHaveLength(2);
  expect(await sql(join(published, ids[2] ?? "", "warehouse.duckdb"), "SELECT y FROM retail.x", "READ_ONLY")).toEqual([
    ["20"],
  ]);
});

test("a snapshot that is damaged or was moved is made anew, one of another warehouse left alone, and no room is said", async () => {
  const warehouse = new Warehouse();
  await sql(warehouse.path, "CREATE SCHEMA retail; CREATE TABLE retail.x AS SELECT 1 AS y");
  const tables = [line("x")];
  const first = await publish(warehouse, { tables });
  const folder = join(warehouse.dir, "published");
  rmSync(join(folder, "files"), { recursive: true });
  expect(await publish(warehouse, { tables })).toMatchObject({ isNew: true, version: first.version });
  rmSync(join(folder, "current"));
  expect(await publish(warehouse, { tables })).toMatchObject({ isNew: true });
  expect(await sql(first.path, "SELECT y FROM retail.x", "READ_ONLY")).toEqual([["1"]]);

  const path = join(warehouse.dir, "other.duckdb");
  const store = await duckdb.open(warehouse.dir, { DUCKDB_PATH: path });
  const job = { tables, keepOthers: false, now: new Date() };
  await expect(store.publishSnapshot?.(job, attempt())).rejects.toThrow(/no warehouse/);
  expect(existsSync(path)).toBe(false);
  await sql(path, "CREATE SCHEMA retail");
  await expect(store.publishSnapshot?.(job, attempt())).rejects.toMatchObject({ code: "snapshot_not_published" });
  await store.close();

  // A schema that DuckDB would take for the catalog of the published file.
  const named = { assetKey: "warehouse/x", schema: "warehouse", table: "x", timeColumn: null };
  await expect(publish(warehouse, { tables: [named] })).rejects.toMatchObject({ code: "ambiguous_schema" });

  await sql(warehouse.path, "UPDATE retail.x SET y = 2");
  const files = join(folder, "files", "retail.x");
  rmSync(files, { recursive: true });
  writeFileSync(files, "in the way");
  await expect(publish(warehouse, { tables })).rejects.toMatchObject({ code: "snapshot_not_published" });
  rmSync(files);
  await publish(warehouse, { tables });
  expect(await sql(first.path, "SELECT y FROM retail.x", "READ_ONLY")).toEqual([["2"]]);
  expect(readdirSync(join(folder, "current")).sort()).toEqual(["snapshot.json", "warehouse.duckdb"]);
});

test("what a reader is about to show is published first, unless the snapshot has it; the file is left alone then", async () => {
  const warehouse = new Warehouse();
  const target = targetOf({ id: z.int() }, "retail/x");
  const job = (runId: string, doneAt: Date | null = null): Pick<SnapshotJob, "tables" | "needed"> => ({
    tables: [line("x")],
    needed: { assetKey: "retail/x", runId, doneAt },
  });
  await warehouse.publishRows(target, [{ id: 1 }], { runId: "first" });
  const first = await publish(warehouse, job("first"));
  await warehouse.publishRows(target, [{ id: 2 }], { runId: "second" });
  expect(await publish(warehouse, job("first"))).toMatchObject({ id: first.id, isNew: false });
  const second = await publish(warehouse, job("second"));
  expect(second).toMatchObject({ isNew: true, tables: [{ runs: ["second", "first"] }] });
  // The same rows by another run: no new snapshot, and known from now on.
  await warehouse.publishRows(target, [{ id: 2 }], { runId: "third" });
  expect(await publish(warehouse, job("third"))).toMatchObject({ id: second.id, isNew: false });
  await warehouse.publishRows(target, [{ id: 3 }], { runId: "fourth" });
  expect(await publish(warehouse, job("third"))).toMatchObject({ id: second.id });
  // Of a run that may have published more since, only the clock knows.
  expect(await publish(warehouse, job("third", new Date(0)))).toMatchObject({ id: second.id });
  expect(await publish(warehouse, job("third", new Date()))).toMatchObject({ isNew: true });
});

test(
  `readers during ${FLIPS} flips see no error, no mixture and nothing older than before`,
  { timeout: 300_000 },
  async () => {
    const { reads, seen } = await flipSnapshots(FLIPS, 1);
    expect(Math.min(...reads)).toBeGreaterThan(10);
    expect(seen).toBeGreaterThan(5);
  },
);

test("whenever its process is killed, readers have a whole snapshot, and a rerun publishes and tidies up", async () => {
  expect(await killSnapshots(KILLS)).toBeGreaterThan(0);
});
