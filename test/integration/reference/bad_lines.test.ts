import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, test } from "vitest";
import { json, scriptedServer } from "../../unit/sources/scripted_server.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bad-lines-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function line(product: number, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    basket_id: 31198570044,
    product_id: product,
    household_id: 900,
    store_id: 330,
    quantity: 1,
    sales_value: "0.50",
    retail_disc: "0.00",
    coupon_disc: "0.00",
    coupon_match_disc: "0.00",
    sold_at: "2017-01-01T11:53:26Z",
    received_at: "2017-01-01T11:53:26Z",
    ...more,
  };
}

/** Materialises `retail/raw_events` from an API that sends these lines. */
async function ingest(
  lines: readonly unknown[],
): Promise<{ readonly exitCode: number | null; readonly stderr: string }> {
  await using server = await scriptedServer(json({ lines, next_cursor: null }));
  const child = spawn(process.execPath, ["runtime/main.ts", "retail/raw_events"], {
    env: { ...process.env, DUCKDB_PATH: join(folder, "w.duckdb"), POS_API_URL: new URL(server.url).origin },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { exitCode, stderr };
}

async function ask(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(join(folder, "w.duckdb"), { access_mode: "READ_ONLY" });
  try {
    return (await (await instance.connect()).runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    instance.closeSync();
  }
}

test("a few lines that break the contract are set aside with their reason; the others are published", async () => {
  const hostile = "'); DROP TABLE retail.raw_events; --";
  const { exitCode, stderr } = await ingest([
    line(1),
    line(2, { sold_at: null }),
    line(3, { sales_value: hostile }),
    line(4),
  ]);
  expect(stderr).toContain("retail/raw_events");
  expect(exitCode).toBe(0);
  expect(await ask("SELECT event_id FROM retail.raw_events ORDER BY event_id")).toEqual([
    { event_id: "31198570044-1" },
    { event_id: "31198570044-4" },
  ]);
  const kept = await ask("SELECT row_number, reason, value FROM _dagster_typescript.quarantine ORDER BY row_number");
  expect(kept.map(({ row_number }) => row_number)).toEqual(["2", "3"]);
  expect(kept.map(({ reason }) => String(reason).split(":")[0])).toEqual(["occurred_at", "revenue"]);
  expect(kept[1]?.["value"]).toContain(hostile);
});

test("more bad lines than the asset allows fail it", async () => {
  const { exitCode, stderr } = await ingest(Array.from({ length: 101 }, (_, index) => line(index, { quantity: null })));
  expect(exitCode).toBe(1);
  expect(stderr).toContain("quantity");
});
