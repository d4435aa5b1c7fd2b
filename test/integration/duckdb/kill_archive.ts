import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

const SCRIPT = join(import.meta.dirname, "archive_until_killed.ts");
const ROWS = 200_000;
const WHOLE = `${ROWS} ${ROWS} ${(ROWS * (ROWS - 1)) / 2}`;
const ALL = "SELECT count(*), count(DISTINCT id), sum(id) FROM a.all";

/**
 * Kills archiving and restoring, by turns, at random moments, and runs it again each time: then the view has all rows
 * once, the table those that it should, and the folder the files that are listed.
 *
 * @returns how many of the runs were killed; the others were quicker
 * @throws Error that says what was lost, doubled or left behind
 */
export async function killArchive(times: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "archive-kill-"));
  try {
    return await killIn(folder, times);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function killIn(folder: string, times: number): Promise<number> {
  await query(folder, "CREATE SCHEMA a");
  await query(folder, 'CREATE TABLE a.events (id BIGINT NOT NULL, "at" TIMESTAMPTZ NOT NULL)');
  const rows = `SELECT n, TIMESTAMPTZ '2017-01-01' + to_seconds(n % 864000) FROM range(${ROWS}) AS numbers(n)`;
  await query(folder, `INSERT INTO a.events ${rows}`);
  let quickestMs = Math.min(await run(folder, "move"), await run(folder, "restore"));
  let killed = 0;
  for (let kill = 0; kill < times; kill += 1) {
    const way = kill % 2 === 0 ? "move" : "restore";
    // The first one surely in the middle.
    const afterMs = quickestMs * (kill === 0 ? 0.5 : 1.1) * Math.random();
    const where = `killed ${afterMs.toFixed(0)} of ${quickestMs.toFixed(0)} ms into a ${way}`;
    if ((await run(folder, way, afterMs)) === null) killed += 1;
    await expectTo(folder, where, ALL, WHOLE);
    quickestMs = Math.min(quickestMs, await run(folder, way));
    await expectTo(folder, `${where} and run again`, ALL, WHOLE);
    await expectTo(folder, `${where} and run again`, "SELECT count(*) FROM a.events", way === "move" ? "0" : `${ROWS}`);
    const listed = await query(folder, "SELECT name FROM _dagster_typescript.archive_files ORDER BY name");
    const found = globSync("**/*.*", { cwd: join(folder, "cold") }).sort();
    if (found.join() !== listed.join()) throw new Error(`${where}: files ${found.join()}, listed ${listed.join()}`);
  }
  return killed;
}

async function expectTo(folder: string, where: string, text: string, wanted: string): Promise<void> {
  const [found] = await query(folder, text);
  if (found?.join(" ") !== wanted) throw new Error(`${where}: ${text} gave ${found?.join(" ") ?? ""}, not ${wanted}`);
}

async function query(folder: string, text: string): Promise<(string | null)[][]> {
  const instance = await DuckDBInstance.create(join(folder, "warehouse.duckdb"));
  try {
    const connection = await instance.connect();
    const rows = (await connection.runAndReadAll(text)).getRows();
    connection.closeSync();
    return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
  } finally {
    instance.closeSync();
  }
}

/** @returns how long it worked; `null`: it was killed */
async function run(folder: string, way: "move" | "restore"): Promise<number>;
async function run(folder: string, way: "move" | "restore", killAfterMs: number): Promise<number | null>;
async function run(folder: string, way: "move" | "restore", killAfterMs?: number): Promise<number | null> {
  const child = spawn(process.execPath, [SCRIPT, folder, way], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  let beganAt = 0;
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding("utf8").on("data", () => {
    if (beganAt !== 0) return;
    beganAt = performance.now();
    if (killAfterMs !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  });
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  if (code === null && killAfterMs !== undefined) return null;
  if (code !== 0) throw new Error(`an archive that nobody killed failed:\n${said}`);
  return performance.now() - beganAt;
}
