import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import { duckdbConfig } from "../../../resources/duckdb/config.ts";
import { DuckDBStore } from "../../../resources/duckdb/duckdb_store.ts";
import type { Staged } from "../../../resources/store.ts";
import { attempt, publish, targetOf, Warehouse } from "./warehouse.ts";

const shape = { id: z.int32(), name: z.string().nullable() };
const target = targetOf(shape);
const old = [{ id: 1, name: "old" }];
const OLD = [["1", "old"]];
const ALL = "SELECT * FROM a.x";
const SMALL = 6 * 1024 * 1024;

/** Lets a folder hold a few megabytes only: by a small file system, or where only root may mount one, small files. */
function makeSmall(folder: string): void {
  const isRoot = process.getuid?.() === 0;
  const limit = (size: string): void =>
    void execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${size}:`]);
  if (isRoot) execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SMALL}`, "tmpfs", folder]);
  else limit(String(SMALL));
  onTestFinished(() => {
    if (isRoot) execFileSync("umount", ["--lazy", folder]);
    else limit("unlimited");
  });
}

/** Leaves no room on the disk of a file. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const bytes of [65_536, 1_024, 1]) for (;;) writeSync(file, Buffer.alloc(bytes));
  } catch {
    // It is full.
  } finally {
    closeSync(file);
  }
}

test.each(["query", "rows"])("a full disk fails a %s with what to do, and leaves the table", async (body) => {
  const warehouse = new Warehouse();
  makeSmall(warehouse.dir);
  await warehouse.publishRows(target, old);
  const wide = "x".repeat(1_000);
  const many = sql`SELECT CAST(range AS INTEGER) AS id, CAST(hash(range) AS VARCHAR) || CAST(hash(-range) AS VARCHAR) AS name FROM range(2000000)`;
  const failing = async (): Promise<unknown> => {
    if (body === "query") return await warehouse.publishQuery(target, many);
    const given = attempt();
    const writer = await warehouse.store.stageRows(target, given);
    try {
      for (let id = 0; id < 100; id += 1)
        await writer.append(Array.from({ length: 1_000 }, (_, row) => ({ id, name: `${Math.random()}${row}${wide}` })));
      return await publish(await writer.finish(), target, given);
    } catch (error) {
      await writer.discard();
      throw error;
    }
  };
  const failure = failing();
  await expect(failure).rejects.toMatchObject({ code: "disk_full", retryable: false });
  await expect(failure).rejects.toThrow(/DUCKDB_PATH/);
  expect(await warehouse.sql(ALL)).toEqual(OLD);
  // The blocks of the failed query are free, inside of the file.
  await warehouse.publishQuery(target, sql`SELECT CAST(2 AS INTEGER) AS id, 'new' AS name`);
  expect(await warehouse.sql(ALL)).toEqual([["2", "new"]]);
});

test.each(["query", "rows"])(
  "a disk that is full only when a %s commits fails it, and the same process goes on once there is room",
  async (body) => {
    const warehouse = new Warehouse();
    makeSmall(warehouse.dir);
    await warehouse.publishRows(target, old);
    const publishing = async (id: number): Promise<unknown> =>
      body === "rows"
        ? await warehouse.publishRows(target, [{ id, name: "new" }])
        : await warehouse.publishQuery(target, sql`SELECT CAST(${id} AS INTEGER) AS id, 'new' AS name`);
    const given = attempt();
    const stage = async (): Promise<Staged> => {
      if (body === "query")
        return await warehouse.store.stageQuery(target, sql`SELECT 2 AS id, 'new' AS name`, null, given);
      const writer = await warehouse.store.stageRows(target, given);
      await writer.append([{ id: 2, name: "new" }]);
      return await writer.finish();
    };
    const staged = await stage();
    const filler = join(warehouse.dir, "filler");
    fill(filler);
    const failure = publish(staged, target, given);
    await expect(failure).rejects.toMatchObject({ code: "disk_full", retryable: false });
    await staged.discard();
    rmSync(filler);
    await publishing(3);
    expect(await warehouse.sql(ALL)).toEqual([["3", "new"]]);
    expect(await warehouse.sql("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([["2"]]);
  },
);

test("a file that another process keeps open is waited for, then given up with the name of the process", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, old);
  await warehouse.store.close();
  const program = `
    import { DuckDBInstance } from "@duckdb/node-api";
    const instance = await DuckDBInstance.create(${JSON.stringify(warehouse.path)});
    console.log("open");
    process.stdin.on("end", () => { instance.closeSync(); process.exit(); }).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const hurried = warehouse.another({ lockTimeoutMs: 300 });
  const query = sql`SELECT 2::INTEGER AS id, 'new' AS name`;
  const staging = hurried.stageQuery(target, query, null, attempt());
  await expect(staging).rejects.toMatchObject({ code: "warehouse_locked", retryable: true });
  await expect(staging).rejects.toThrow(`PID ${child.pid}`);
  await expect(staging).rejects.toThrow(/end that process/);
  const ended = once(child, "exit");
  child.stdin.end();
  await ended;
  expect(await warehouse.sql(ALL)).toEqual(OLD);
  const given = attempt();
  await publish(await hurried.stageQuery(target, query, null, given), target, given);
  await hurried.close();
  expect(await warehouse.sql(ALL)).toEqual([["2", "new"]]);
});

/** The header of a DuckDB file says its format; the checksum before it is over the rest of its block. */
function asFormat(file: Buffer, version: bigint): Buffer {
  const changed = Buffer.from(file);
  changed.writeBigUInt64LE(version, 12);
  let sum = 5381n;
  for (let at = 8; at < 4096; at += 8) sum ^= BigInt.asUintN(64, changed.readBigUInt64LE(at) * 0xbf58476d1ce4e5b9n);
  changed.writeBigUInt64LE(sum, 0);
  return changed;
}

test.each([
  ["is no DuckDB file", () => Buffer.from("id,name\n1,a\n".repeat(2_000)), /no DuckDB file/],
  ["is of a newer DuckDB", (file: Buffer) => asFormat(file, 9_999n), /another version of DuckDB.*9999/],
  ["is damaged", (file: Buffer) => Buffer.from(file).fill(7, 12, 40), /damaged/],
])("a warehouse file that %s is left as it is, and the error says what to do", async (_name, change, message) => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, old);
  await warehouse.store.close();
  const bytes = change(readFileSync(warehouse.path));
  writeFileSync(warehouse.path, bytes);
  const failure = warehouse.store.findPublished(target, attempt());
  await expect(failure).rejects.toMatchObject({ code: "bad_warehouse_file", retryable: false });
  await expect(failure).rejects.toThrow(message);
  await expect(failure).rejects.toThrow("DUCKDB_PATH");
  expect(readFileSync(warehouse.path).equals(bytes)).toBe(true);
});

test.each([
  ["a cast", sql`SELECT CAST(3000000000 + range AS INTEGER) AS id, 'x' AS name FROM range(3)`],
  ["an addition", sql`SELECT CAST(2147483647 AS INTEGER) + CAST(range AS INTEGER) AS id, 'x' AS name FROM range(3)`],
  ["a decimal", sql`SELECT 1 AS id, CAST(CAST(range + 1000 AS DECIMAL(4, 2)) AS VARCHAR) AS name FROM range(3)`],
])("a number that does not fit fails a query by %s, and leaves the table", async (_name, query) => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, old);
  const failure = warehouse.publishQuery(target, query);
  await expect(failure).rejects.toMatchObject({ code: "value_out_of_range", retryable: false });
  await expect(failure).rejects.toThrow(/wider type/);
  expect(await warehouse.sql(ALL)).toEqual(OLD);
  await warehouse.publishRows(target, [{ id: 2, name: "new" }]);
  expect(await warehouse.sql(ALL)).toEqual([["2", "new"]]);
});

test("a folder that cannot be made is named, with what to do", async () => {
  const folder = mkdtempSync(join(tmpdir(), "duckdb-faults-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, "file"), "");
  // Not even root can make a folder in a file.
  const path = join(folder, "file", "warehouse.duckdb");
  const store = new DuckDBStore({ ...duckdbConfig(folder, { DUCKDB_PATH: path }), lockTimeoutMs: 1_000 }, folder);
  for (const use of [
    () => store.findPublished(target, attempt()),
    () => store.stageRows(target, attempt()),
    () => store.stageQuery(target, sql`SELECT 1 AS id, 'x' AS name`, null, attempt()),
  ]) {
    const failure = use();
    await expect(failure).rejects.toMatchObject({ code: "warehouse_not_writable", retryable: false });
    await expect(failure).rejects.toThrow(/DUCKDB_PATH/);
  }
  await store.close();
  expect(readdirSync(folder)).toEqual(["file"]);
});

test("a folder in the place of the warehouse file is no warehouse", async () => {
  const warehouse = new Warehouse();
  mkdirSync(warehouse.path);
  await expect(warehouse.store.findPublished(target, attempt())).rejects.toMatchObject({
    code: "bad_warehouse_file",
    retryable: false,
  });
});
