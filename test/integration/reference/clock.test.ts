import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PosApi, startPosApi } from "../../../resources/pos_api/server.ts";

// A day of the reference graph, hour by hour as its schedule and sensors would run it: the clock of the tills is moved,
// the lines are loaded, and what the sensors ask for is run, as Dagster would.

const BEFORE = "2017-03-08T00:00:00Z";
const AFTER = "2017-03-09T00:00:00Z";
const LINES = "data/completejourney/transactions.parquet";
const DAILY = ["retail/cleaned_events", "retail/sales_hourly", "retail/sales_daily"];

let folder: string;
let api: PosApi;
let env: NodeJS.ProcessEnv;
const cursors = new Map<string, string | null>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "clock-"));
  const parquetPath = join(folder, "lines.parquet");
  // Enough households for lines of every day, some of them late.
  await query(`COPY (
    SELECT * FROM read_parquet('${LINES}')
    WHERE transaction_timestamp < TIMESTAMP '2017-03-20' AND (household_id % 25 = 0 OR basket_id % 997 = 0)
  ) TO '${parquetPath}'`);
  const inbox = { folder: join(folder, "inbox"), parquetPath: "data/completejourney/coupon_redemptions.parquet" };
  api = await startPosApi({ parquetPath, inbox, now: new Date(BEFORE) });
  env = {
    ...process.env,
    DUCKDB_PATH: join(folder, "warehouse.duckdb"),
    POS_API_URL: api.url,
    INBOX_DIR: inbox.folder,
  };
  // By when the files are settled.
  await wait(1_100);
  await run("2017-01-01...2017-03-07", "retail/raw_events", "retail/products", ...DAILY, "retail/coupon_redemptions");
}, 120_000);
afterAll(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

async function node(args: readonly string[], input = ""): Promise<void> {
  const child = spawn(process.execPath, args, { env, stdio: ["pipe", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  // The watchdog takes the end of standard input for the end of Dagster.
  child.stdin.write(input);
  const [code] = (await once(child, "close")) as [number | null];
  expect(code, stderr).toBe(0);
}

async function run(partitions: string, ...keys: string[]): Promise<void> {
  await node(["runtime/main.ts", "--partitions", partitions, ...keys]);
}

interface Run {
  readonly assets: readonly string[];
  readonly partition_keys: readonly string[] | null;
}

/** Ticks a sensor and remembers its cursor, as Dagster does. */
async function tick(sensor: string): Promise<Run[]> {
  const answer = mkdtempSync(join(folder, "tick-"));
  const input = { now: new Date().toISOString(), cursor: cursors.get(sensor) ?? null };
  await node(
    ["runtime/evaluate.ts", sensor, answer],
    `${JSON.stringify({ ...input, scheduled_at: null, materializations: [] })}\n`,
  );
  const { result } = JSON.parse(readFileSync(join(answer, "result.json"), "utf8")) as {
    readonly result: { readonly runs: Run[]; readonly cursor: string | null };
  };
  cursors.set(sensor, result.cursor ?? cursors.get(sensor) ?? null);
  return result.runs;
}

async function query(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test("new lines and late ones, and a new file, are loaded into just their days, then the rollups, and nothing twice", async () => {
  // What the first load has built is not asked for again.
  expect(await tick("retail/new_lines")).toEqual([]);
  expect(await tick("retail/inbox")).toEqual([]);

  const moved = await fetch(`${api.url}/v1/clock?now=${AFTER}`, { method: "PUT" });
  expect(moved.status).toBe(200);
  expect(await tick("retail/new_lines")).toEqual([]);
  await run("2017-03-08", "retail/raw_events");

  // By SQL of its own: the days of the sales that were received between the two times.
  const received =
    "transaction_timestamp + CASE WHEN basket_id % 997 = 0 THEN INTERVAL 50 HOUR ELSE INTERVAL 0 HOUR END";
  const days = (
    await query(`SELECT DISTINCT strftime(transaction_timestamp, '%Y-%m-%d') FROM read_parquet('${join(folder, "lines.parquet")}')
      WHERE ${received} >= TIMESTAMP '2017-03-08' AND ${received} < TIMESTAMP '2017-03-09' ORDER BY 1`)
  ).map(([day]) => String(day));
  // The day itself, and the one that was sold fifty hours before.
  expect(days).toEqual(["2017-03-06", "2017-03-08"]);

  for (const asset of DAILY) {
    const runs = await tick("retail/new_lines");
    expect(runs.map(({ assets }) => assets)).toEqual([[asset]]);
    expect(runs[0]?.partition_keys).toEqual(days);
    expect(await tick("retail/new_lines")).toEqual([]);
    for (const day of days) await run(day, asset);
  }
  expect(await tick("retail/new_lines")).toEqual([]);

  await wait(1_100);
  const [file, ...others] = await tick("retail/inbox");
  expect(others).toEqual([]);
  expect(file).toMatchObject({ assets: ["retail/coupon_redemptions"], partition_keys: ["2017-03-08"] });
  await run("2017-03-08", "retail/coupon_redemptions");
  expect(await tick("retail/inbox")).toEqual([]);

  // As if all of it had been there from the beginning.
  const warehouse = `ATTACH '${join(folder, "warehouse.duckdb")}' AS w (READ_ONLY)`;
  const sums = await query(
    `${warehouse}; SELECT (SELECT sum(revenue) FROM w.retail.cleaned_events), (SELECT sum(revenue) FROM w.retail.sales_daily),
       (SELECT sum(CAST(sales_value AS DECIMAL(12, 2))) FROM read_parquet('${join(folder, "lines.parquet")}')
        WHERE quantity > 0 AND ${received} < TIMESTAMP '2017-03-09')`,
  );
  expect(sums[0]?.[0]).toBeTruthy();
  expect(sums[0]?.[1]).toEqual(sums[0]?.[0]);
  expect(sums[0]?.[2]).toEqual(sums[0]?.[0]);
}, 120_000);
