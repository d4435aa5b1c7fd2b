import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { z } from "../../../definitions/index.ts";
import { AT, run } from "../stores/kill.ts";
import { openStore } from "../stores/open_store.ts";
import type { Job } from "../stores/publish_until_killed.ts";
import { attempt, targetOf, Warehouse } from "./warehouse.ts";

const target = targetOf({ id: z.int32(), name: z.string().nullable() });
const ALL = "SELECT * FROM a.x ORDER BY ALL";
const ROWS = 5_000;
const PROCESSES = 3;

/** Runs SQL in a process that dies of it, without closing its file. */
function killedAfter(path: string, statements: readonly string[]): void {
  const program = `
    import { DuckDBInstance } from "@duckdb/node-api";
    const connection = await (await DuckDBInstance.create(${JSON.stringify(path)})).connect();
    for (const text of ${JSON.stringify(statements)}) await connection.run(text);
    process.kill(process.pid, "SIGKILL");`;
  const { signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program]);
  expect(signal, stderr.toString()).toBe("SIGKILL");
}

test("processes at once on a warehouse that is not there yet, one of them killed: each row is there once, readers see whole publishes", async () => {
  const open = await openStore("duckdb");
  onTestFinished(() => open.close());
  const job = (process: number, round: number, assetKey: string, kind: "append" | "replace"): Job => ({
    ...{ body: process % 2 === 0 ? "rows" : "query", assetKey, strategy: { kind }, rootRunId: `${process} ${round}` },
    ...{ first: (process * 10 + round) * ROWS, count: ROWS, at: AT, file: "", layout: {} },
  });
  const path = open.env["DUCKDB_PATH"] ?? "";
  const over = new AbortController();
  const seen = new Set<string>();
  const reading = (async () => {
    while (!over.signal.aborted) {
      await wait(5);
      if (!existsSync(path)) continue;
      const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" }).catch((error: unknown) => {
        // Whoever writes has the file for itself.
        if (String(error).includes("Could not set lock on file")) return undefined;
        throw error;
      });
      if (instance === undefined) continue;
      const connection = await instance.connect();
      const tables = await connection.runAndReadAll("SELECT 1 FROM duckdb_tables() WHERE table_name = 'shared'");
      if (tables.currentRowCount > 0)
        seen.add(
          String((await connection.runAndReadAll(`SELECT count(*) % ${ROWS} FROM at_once.shared`)).getRows()[0]),
        );
      connection.closeSync();
      instance.closeSync();
    }
  })();
  reading.catch(() => undefined);
  const works = Array.from({ length: PROCESSES }, async (_, process) => {
    const shared = job(process, 0, "at_once/shared", "append");
    // The second one is killed somewhere in it.
    if (process === 1) await run(open, shared, { after: "began", ms: 300 * Math.random() });
    await run(open, shared);
    await run(open, job(process, 1, `at_once/own_${process}`, "replace"));
  });
  await Promise.all(works);
  over.abort();
  await reading;
  expect([...seen]).toEqual(["0"]);
  const counts = "count(*), count(DISTINCT id), count(DISTINCT run)";
  expect(await open.query(`SELECT ${counts} FROM at_once.shared`)).toEqual([
    [String(PROCESSES * ROWS), String(PROCESSES * ROWS), String(PROCESSES)],
  ]);
  for (let process = 0; process < PROCESSES; process += 1)
    expect(await open.query(`SELECT DISTINCT run FROM at_once.own_${process}`)).toEqual([[`${process} 1`]]);
  expect(await open.query("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([[String(2 * PROCESSES)]]);
  await open.store.removeOrphans(() => false);
  expect(await open.leftovers("at_once", ["shared", "own_0", "own_1", "own_2"])).toEqual([]);
});

test("a new warehouse is whole from the first moment that another process sees it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "new-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const paths = Array.from({ length: 5 }, (_, index) => join(folder, `${index}.duckdb`));
  // Looks as often as it can: a file that is made step by step has no bytes at first.
  const program = `
    import { statSync } from "node:fs";
    console.log("looking");
    for (const path of ${JSON.stringify(paths)})
      for (let size; size === undefined; ) {
        size = statSync(path, { throwIfNoEntry: false })?.size;
        if (size !== undefined) console.log(size);
      }`;
  const looker = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void looker.kill("SIGKILL"));
  let said = "";
  looker.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(looker, "close");
  await once(looker.stdout, "data");
  for (const path of paths) {
    const warehouse = new Warehouse({ path });
    expect(await warehouse.store.lastCursor(target, attempt())).toBeNull();
    await warehouse.store.close();
  }
  await ended;
  expect(said.trim().split("\n").slice(1)).toEqual(paths.map(() => String(3 * 4096)));
  expect(readdirSync(join(folder, "0.duckdb.staging"))).toEqual([]);
});

test("a process that is killed right after a publish leaves nothing that the next one cannot read", async () => {
  const warehouse = new Warehouse();
  await warehouse.sql(`CREATE SCHEMA a; CREATE TABLE a.x (id INTEGER NOT NULL, name VARCHAR DEFAULT (upper('unknown')));
    CREATE UNIQUE INDEX one ON a.x (id); CREATE VIEW a.v AS SELECT * FROM a.x; INSERT INTO a.x VALUES (1, 'a')`);
  const script = join(import.meta.dirname, "publish_and_die.ts");
  const { signal, stderr } = spawnSync(process.execPath, [script, warehouse.path]);
  expect(signal, stderr.toString()).toBe("SIGKILL");
  expect(existsSync(`${warehouse.path}.wal`)).toBe(false);
  expect(await warehouse.sql(ALL)).toEqual([
    ["1", "a", null],
    ["2", "b", "new"],
  ]);
  expect(await warehouse.sql("INSERT INTO a.x (id) VALUES (3); SELECT name FROM a.x WHERE id = 3")).toEqual([
    ["UNKNOWN"],
  ]);
  expect(await warehouse.sql("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([["1"]]);
});

test("what another program left in its log is read: another version of a view, and an index that it made", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await warehouse.sql("CREATE VIEW a.v AS SELECT id FROM a.x");
  killedAfter(warehouse.path, [
    "CREATE OR REPLACE VIEW a.v AS SELECT id, name FROM a.x",
    "CREATE INDEX late ON a.x (name)",
    "BEGIN",
    "CREATE UNIQUE INDEX interrupted ON a.x (id)",
    "DELETE FROM a.x",
  ]);
  expect(existsSync(`${warehouse.path}.wal`)).toBe(true);
  await warehouse.publishRows(target, [2, 2].map((id) => ({ id, name: "b" }))); // prettier-ignore
  expect(await warehouse.sql("SELECT * FROM a.v")).toEqual([
    ["2", "b"],
    ["2", "b"],
  ]);
  expect(await warehouse.sql("SELECT index_name FROM duckdb_indexes()")).toEqual([["late"]]);
});

test("a log of another program that cannot be read stops each run with what to do, and both files stay as they are", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await warehouse.store.close();
  killedAfter(warehouse.path, [
    "CREATE TABLE a.people (id INTEGER DEFAULT (upper('1')))",
    "ALTER TABLE a.people ADD COLUMN more INTEGER",
  ]);
  const files = [warehouse.path, `${warehouse.path}.wal`];
  const before = files.map((path) => readFileSync(path));
  const failure = warehouse.store.lastCursor(target, attempt());
  await expect(failure).rejects.toMatchObject({ code: "bad_warehouse_file", retryable: false });
  await expect(failure).rejects.toThrow(`${warehouse.path}.wal`);
  expect(files.map((path) => readFileSync(path))).toEqual(before);
  // As it advises.
  rmSync(`${warehouse.path}.wal`);
  expect(await warehouse.sql(ALL)).toEqual([["1", "a"]]);
});

test("a file that somebody was killed over while making it is told as damaged", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await warehouse.store.close();
  const whole = readFileSync(warehouse.path);
  for (const bytes of [0, 100, 4096, 8192]) {
    writeFileSync(warehouse.path, whole.subarray(0, bytes));
    await expect(warehouse.store.lastCursor(target, attempt())).rejects.toMatchObject({ code: "bad_warehouse_file" });
  }
});
