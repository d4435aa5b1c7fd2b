import { afterAll, beforeAll, expect, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import type { Archive } from "../../../resources/archive.ts";
import type { DuckDBStore } from "../../../resources/duckdb/duckdb_store.ts";
import { installExtension } from "../transfer/extension.ts";
import { day, DAYS, SOURCE } from "./archive_until_killed.ts";
import { attempt, targetOf, Warehouse } from "./warehouse.ts";
import { type Moto, startMoto } from "../sensors/moto.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "an'id", AWS_SECRET_ACCESS_KEY: "very'secret", AWS_REGION: "us-east-1" };
const before = { ...process.env };
const target = { ...SOURCE, assetKey: "a/all", table: "all" };
let moto: Moto;
let endpoint = "";

beforeAll(async () => {
  const extension = await installExtension("httpfs");
  moto = await startMoto();
  endpoint = moto.endpoint;
  Object.assign(process.env, KEYS, { AWS_ENDPOINT_URL: endpoint, DUCKDB_HTTPFS_EXTENSION: extension });
  await request("cold", { method: "PUT" });
}, 120_000);

afterAll(async () => {
  process.env = before;
  await moto.stop();
});

async function request(path: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(`${endpoint}/${path}`, init);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return await response.text();
}

async function objects(): Promise<string[]> {
  return [...(await request("cold?list-type=2")).matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = ""]) => key);
}

async function within<T>(store: DuckDBStore, now: string, act: (archive: Archive) => Promise<T>): Promise<T> {
  const job = { source: SOURCE, target, column: "at", to: "s3://cold/a/events", isOpen: () => false };
  return await store.withArchive({ ...job, now: new Date(now) }, attempt(), act);
}

test("an archive in a bucket: any run reads the view, restoring brings all back, what is left is written over", async () => {
  const warehouse = new Warehouse();
  const { store } = warehouse;
  await warehouse.publishQuery(
    SOURCE,
    sql`SELECT range AS id, TIMESTAMPTZ '2017-01-01' + to_minutes(range * 144 // 100) AS "at" FROM range(10000)`,
  );
  await within(store, "2026-01-01", async (archive) => {
    await archive.tidy();
    for (let n = 1; n < DAYS; n += 3) await archive.move([day(n), day(n + 1), day(n + 2)]);
  });
  expect(await objects()).toHaveLength(9);
  expect((await objects())[0]).toMatch(/^a\/events\/partition=2017-01-01\/[0-9a-f]{24}\.parquet$/);
  expect(await warehouse.sql("SELECT count(*) FROM a.events")).toEqual([["1000"]]);

  // A process that knows nothing but the warehouse and the keys.
  const reads = targetOf({ n: z.int(), ids: z.int() }, "a/reads");
  const all = { kind: "table", assetKey: "a/all" } as const;
  const query = sql`SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ${all}`;
  await store.close();
  await warehouse.publishQuery(reads, query);
  expect(await warehouse.sql("SELECT * FROM a.reads")).toEqual([["10000", "10000"]]);

  await within(store, "2026-01-01", async (archive) => {
    await archive.restore((await archive.cold()).slice(0, 4));
  });
  expect(await warehouse.sql("SELECT count(*), count(DISTINCT id) FROM a.events")).toEqual([["5000", "5000"]]);
  await warehouse.publishQuery(reads, query);
  expect(await warehouse.sql("SELECT * FROM a.reads")).toEqual([["10000", "10000"]]);
  const written = await objects();
  await within(store, "2026-01-03", async (archive) => {
    await archive.tidy();
    await archive.move([day(1), day(2)]);
  });
  expect(await objects()).toEqual(written);
});

test("an object that is missing is told, and no key is, in any message", async () => {
  const warehouse = new Warehouse();
  const { store } = warehouse;
  await warehouse.publishQuery(SOURCE, sql`SELECT 1::BIGINT AS id, TIMESTAMPTZ '2017-01-01' AS "at"`);
  await within(store, "2026-01-01", (archive) => archive.move([day(1)]));
  await store.close();
  const faults: unknown[] = [];
  const listed = `s3://cold/a/events/partition=2017-01-01/none.parquet`;
  await warehouse.sql(`UPDATE _dagster_typescript.archive_files SET name = 'partition=2017-01-01/none.parquet'`);
  faults.push(await within(store, "2026-01-01", (archive) => archive.tidy()).catch((error: unknown) => error));
  expect(faults[0]).toMatchObject({ code: "archive_damaged" });
  expect(String(faults[0])).toContain(`${listed} is missing`);
  await store.close();

  process.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9";
  faults.push(await within(store, "2026-01-01", (archive) => archive.tidy()).catch((error: unknown) => error));
  await warehouse.sql("UPDATE _dagster_typescript.archive_files SET status = 'restored'");
  faults.push(await within(store, "2026-01-01", (archive) => archive.move([day(1)])).catch((error: unknown) => error));
  expect(faults[2]).toMatchObject({ code: "archive_not_writable", retryable: true });
  await store.close();
  for (const fault of faults) {
    expect(fault).toBeInstanceOf(Error);
    expect(`${String(fault)} ${JSON.stringify(fault)}`).not.toContain("secret");
  }
});
