import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "../../../definitions/index.ts";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import type { Attempt } from "../../../resources/store.ts";
import { OpenStores } from "../../../resources/stores.ts";
import { stageCopy } from "../../../runtime/stage_copy.ts";
import { attempt } from "../duckdb/warehouse.ts";
import { until } from "../engines/scratch.ts";
import { connect, textOf } from "../postgres/server.ts";
import { newTarget } from "./stores.ts";

const folder = mkdtempSync(join(tmpdir(), "replica-"));
let primary: Engine;
let replica: Engine;

beforeAll(async () => {
  const [one, other] = [join(folder, "primary"), join(folder, "replica")];
  await (await startEngine("postgres", { dataDir: one })).stop();
  // A stopped server's folder is a backup of it.
  execFileSync("cp", ["-a", one, other]);
  writeFileSync(join(other, "cluster", "standby.signal"), "");
  primary = await startEngine("postgres", { dataDir: one });
  const { hostname, port, username, password } = new URL(primary.url);
  replica = await startEngine("postgres", {
    dataDir: other,
    settings: { primary_conninfo: `host=${hostname} port=${port} user=${username} password=${password}` },
  });
  process.env["DUCKDB_PATH"] = join(folder, "warehouse.duckdb");
  await on(primary, "CREATE TABLE lines (id bigint); CREATE VIEW served_by AS SELECT inet_server_port()::bigint AS id");
});
afterAll(async () => {
  for (const name of ["DUCKDB_PATH", "DATABASE_URL", "DATABASE_REPLICA_URL", "DATABASE_REPLICA_TIMEOUT_SECONDS"])
    Reflect.deleteProperty(process.env, name);
  await replica.stop();
  await primary.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  process.env["DATABASE_URL"] = primary.url;
  process.env["DATABASE_REPLICA_URL"] = replica.url;
  delete process.env["DATABASE_REPLICA_TIMEOUT_SECONDS"];
  await on(primary, "TRUNCATE lines; INSERT INTO lines VALUES (1)");
});

async function on(engine: Engine, text: string): Promise<(string | null)[][]> {
  const client = await connect(engine.url);
  try {
    return await textOf(client, text);
  } finally {
    await client.end();
  }
}

/** Copies a table into DuckDB; returns its rows as the staged sample shows them. */
async function copied(
  table: string,
  options: { readonly url?: string; readonly given?: Partial<Attempt> } = {},
): Promise<readonly (readonly (string | null)[])[]> {
  const stores = new OpenStores(folder);
  const staged = await stageCopy(
    { format: "postgres", schema: "public", table, url: options.url ?? "DATABASE_URL" },
    new Map(),
    { asset: { store: duckdb }, target: newTarget({ id: z.int() }), stores, attempt: attempt(options.given) },
  );
  const { sample } = await staged.facts();
  await staged.discard();
  await stores.close();
  return sample.rows;
}

it("tables are copied from the replica, and those of other databases from where they are", async () => {
  expect(await copied("served_by")).toEqual([[String(replica.port)]]);
  process.env["SHOP_URL"] = primary.url;
  expect(await copied("served_by", { url: "SHOP_URL" })).toEqual([[String(primary.port)]]);
  delete process.env["DATABASE_REPLICA_URL"];
  expect(await copied("served_by")).toEqual([[String(primary.port)]]);
});

it("an export of PostgreSQL reads the replica", async () => {
  const store = await postgres.open(folder, process.env);
  const path = join(folder, "rows.parquet");
  const target = newTarget({ id: z.int() }, { schema: "public", table: "served_by", assetKey: "public/served_by" });
  await store.exportParquet(target, path, attempt());
  await store.close();
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const rows = (await connection.runAndReadAll(`SELECT id FROM '${path}'`)).getRows();
  expect(rows.map(String)).toEqual([String(replica.port)]);
});

it("a copy waits until the replica has what the primary had committed", async () => {
  await on(replica, "SELECT pg_wal_replay_pause()");
  await on(primary, "INSERT INTO lines VALUES (2)");
  const said: string[] = [];
  const copying = copied("lines", { given: { log: (message) => said.push(message) } });
  await until(() => said.some((message) => message.startsWith("Waiting for ")), "the copy waits");
  await on(replica, "SELECT pg_wal_replay_resume()");
  expect(await copying).toEqual([["1"], ["2"]]);
});

it("a replica that stays behind is a fault that may pass, and says how far", async () => {
  await on(replica, "SELECT pg_wal_replay_pause()");
  await on(primary, "INSERT INTO lines VALUES (2)");
  process.env["DATABASE_REPLICA_TIMEOUT_SECONDS"] = "0.2";
  try {
    const copying = copied("lines");
    await expect(copying).rejects.toMatchObject({ code: "replica_behind", retryable: true });
    await expect(copying).rejects.toThrow(/\d+ bytes behind its primary/);
  } finally {
    await on(replica, "SELECT pg_wal_replay_resume()");
  }
});

it("a run that is terminated does not wait for the replica", async () => {
  await on(replica, "SELECT pg_wal_replay_pause()");
  await on(primary, "INSERT INTO lines VALUES (2)");
  const run = new AbortController();
  const copying = copied("lines", {
    given: {
      signal: run.signal,
      log: () => {
        run.abort(new Error("terminated"));
      },
    },
  });
  await expect(copying).rejects.toThrow("terminated");
  await on(replica, "SELECT pg_wal_replay_resume()");
});

it("a server that is no replica, or is away, is told by the variable that names it", async () => {
  process.env["DATABASE_REPLICA_URL"] = primary.url;
  await expect(copied("lines")).rejects.toMatchObject({ code: "bad_configuration", retryable: false });
  await expect(copied("lines")).rejects.toThrow(/DATABASE_REPLICA_URL: .* is no replica/);
  process.env["DATABASE_REPLICA_URL"] = "postgres://reader:s3cr3t-word@127.0.0.1:1/warehouse";
  const copying = copied("lines");
  await expect(copying).rejects.toMatchObject({ code: "postgres_unreachable", retryable: true });
  await expect(copying).rejects.toThrow(/DATABASE_REPLICA_URL running/);
  await expect(copying).rejects.not.toThrow(/s3cr3t/);
  process.env["DATABASE_REPLICA_URL"] = "replica.example.org";
  await expect(copied("lines")).rejects.toThrow(/^DATABASE_REPLICA_URL: expected postgres:/);
});
