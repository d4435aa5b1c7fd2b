import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect as dial, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { decimal, sql, z } from "../../../definitions/index.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { Client } from "../../../resources/hyper/client.ts";
import { hyperConfig } from "../../../resources/hyper/config.ts";
import { statementError } from "../../../resources/hyper/errors.ts";
import { hasTable } from "../../../resources/hyper/has_table.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { attempt, connect, HyperServer, publish, Warehouse } from "./warehouse.ts";

const server = HyperServer.forThisFile();
/** Never ends by itself. */
const ENDLESS = sql`SELECT CAST(count(*) AS integer) AS id
  FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y) WHERE a.x * 7 % 13 = b.y % 11`;

test("a statement is cancelled at its limit, and the table and the session are as before", async () => {
  const warehouse = await server.open({ HYPER_STATEMENT_TIMEOUT_SECONDS: "5" });
  const target = warehouse.target({ id: z.int32() });
  await warehouse.publishRows(target, [{ id: 1 }]);
  await expect(warehouse.publishQuery(target, ENDLESS)).rejects.toMatchObject({
    code: "statement_timeout",
    retryable: false,
    message: expect.stringContaining("HYPER_STATEMENT_TIMEOUT_SECONDS") as string,
  });
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["1"]]);
  await warehouse.publishRows(target, [{ id: 2 }]);
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["2"]]);
});

test("a terminated run ends its statement, and the fault is the run's own", async () => {
  const warehouse = await server.open();
  const target = warehouse.target({ id: z.int32() });
  const run = new AbortController();
  const reason = new Error("the run was terminated");
  const publishing = warehouse.publishQuery(target, ENDLESS, { signal: run.signal });
  setTimeout(() => {
    run.abort(reason);
  }, 300);
  await expect(publishing).rejects.toBe(reason);
  await warehouse.publishRows(target, [{ id: 2 }]);
});

test("a server that is not there, a wrong password and a missing database say what to look at", async () => {
  const open = async (url: string): Promise<unknown> => {
    const store = await hyper.open(server.dir, { HYPER_URL: url });
    return await store.lastCursor(targetOf({ id: z.int32() }), attempt());
  };
  const url = new URL(server.url);
  url.port = "1";
  await expect(open(url.href)).rejects.toMatchObject({ code: "unreachable", retryable: true });
  const wrong = new URL(server.url);
  wrong.password = "very-secret";
  const denied = open(wrong.href);
  await expect(denied).rejects.toMatchObject({ code: "access_denied", retryable: false });
  await expect(denied).rejects.not.toThrow(/very-secret/);
  const gone = new URL(server.url);
  gone.pathname = "//nowhere/x.hyper";
  await expect(open(gone.href)).rejects.toMatchObject({ code: "bad_configuration", retryable: false });
  for (const bad of [undefined, "", "nonsense", "postgres://hyper@127.0.0.1:1/"])
    await expect((async () => hyper.open(server.dir, { HYPER_URL: bad }))()).rejects.toMatchObject({
      code: "bad_configuration",
    });
});

test("a server that ends in the middle of a COPY leaves the old table, and the fault may be tried again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hyper-"));
  const first = await startEngine("hyper", { dataDir: dir });
  const target = targetOf({ id: z.int32() });
  try {
    const store = await hyper.open(dir, { HYPER_URL: first.url });
    const given = attempt();
    const old = await store.stageRows(target, given);
    await old.append([{ id: 7 }]);
    await publish(await old.finish(), target, given);
    const begun = await store.stageRows(target, attempt());
    await begun.append([{ id: 1 }]);
    await first.stop();
    const rest = (async () => {
      for (let page = 0; page < 1_000; page += 1) await begun.append([{ id: 2 }]);
      await begun.finish();
    })();
    await expect(rest).rejects.toMatchObject({ code: "unreachable", retryable: true });
    await begun.discard();
    await store.close();
    await using again = await startEngine("hyper", { dataDir: dir });
    const reader = await connect(again.url);
    expect((await reader.query<{ id: number }>(`SELECT id FROM ${target.schema}.${target.table}`)).rows).toEqual([
      { id: 7 },
    ]);
    await reader.end();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

/** The server by way of a network that ends the connection instead of bringing the answer to some statement. */
async function cutAt(statement: string): Promise<string> {
  const { host, hostname, port } = new URL(server.url);
  const proxy = createServer((client) => {
    const upstream = dial(Number(port), hostname);
    let isLast = false;
    client.on("data", (bytes) => {
      isLast = bytes.includes(statement);
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      // The server has done it, and its answer is lost.
      if (isLast) client.destroy();
      else client.write(bytes);
    });
    client.on("error", () => undefined).on("close", () => upstream.destroy());
    upstream.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => void proxy.close());
  return server.url.replace(host, `127.0.0.1:${(proxy.address() as AddressInfo).port}`);
}

test("a commit of which no answer comes is not told as nothing published, and the retry finds it", async () => {
  const warehouse = await server.open();
  const target = warehouse.target({ id: z.int32() });
  await warehouse.publishRows(target, [{ id: 1 }]);
  const cut = await server.open({ HYPER_URL: await cutAt("COMMIT\0") });
  const given = attempt();
  const lost = cut.publishRows(target, [{ id: 2 }], given);
  await expect(lost).rejects.toMatchObject({ code: "unreachable", retryable: true });
  await expect(lost).rejects.toThrow(/ledger tells whether it was published/);
  await expect(lost).rejects.not.toThrow(/nothing was published/);
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["2"]]);
  expect(await warehouse.store.findPublished(target, given)).toMatchObject({ runId: given.runId });
});

test("a connection that is lost after the commit, with the descriptions, leaves a publish, and the log says only that", async () => {
  const warehouse = await server.open();
  const target = warehouse.target({ id: z.int32().describe("What it is") });
  await warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: 1 }]);
  const cut = await server.open({ HYPER_URL: await cutAt("COMMENT ON") });
  const said: string[] = [];
  await cut.publishRows(target, [{ id: 2 }], { log: (message) => said.push(message) });
  expect(said).toEqual([expect.stringMatching(/\/x is published; .*Connection terminated/)]);
  expect(said[0]).not.toContain("nothing was published");
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["2"]]);
});

test("a transaction that had ended before its commit fails, although the server takes the commit", async () => {
  const client = await Client.open(hyperConfig({ HYPER_URL: server.url }));
  try {
    await client.run("CREATE TABLE committed (id int)");
    const publishing = client.transaction(async () => {
      await client.run("INSERT INTO committed VALUES (1)");
      expect(await hasTable(client, "missing_table")).toBe(false);
    });
    await expect(publishing).rejects.toThrow("the transaction ended with ROLLBACK");
    expect((await client.text("SELECT * FROM committed")).rows).toEqual([]);
    await client.transaction(() => client.run("INSERT INTO committed VALUES (2)"));
    expect((await client.text("SELECT * FROM committed")).rows).toEqual([["2"]]);
  } finally {
    await client.close();
  }
});

test("a session that the server has ended is not used again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hyper-"));
  const target = targetOf({ id: z.int32() });
  const first = await startEngine("hyper", { dataDir: dir });
  const store = await hyper.open(dir, { HYPER_URL: first.url });
  try {
    expect(await store.lastCursor(target, attempt())).toBeNull();
    await first.stop();
    await expect(store.lastCursor(target, attempt())).rejects.toMatchObject({ code: "unreachable" });
    const again = await startEngine("hyper", { dataDir: dir, port: first.port });
    expect(await store.lastCursor(target, attempt())).toBeNull();
    await store.close();
    await again.stop();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test.each<[string, string, z.ZodType]>([
  ["a number too large for its type", "SELECT CAST(3000000000 AS bigint) AS a", z.int32()],
  ["a text that is no number", "SELECT CAST('abc' AS integer) AS a", z.int32()],
  ["a decimal that overflows", "SELECT CAST(12345.6 AS numeric(4,2)) AS a", decimal(4, 2)],
  ["NULL that may not be", "SELECT CAST(NULL AS integer) AS a", z.int32()],
])("%s fails the query with its cause, and leaves the table", async (_name, text, schema) => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.target({ a: z.int32() }), [{ a: 7 }]);
  const query = { kind: "sql", strings: [text], values: [] } as const;
  const target = warehouse.target({ a: schema });
  const failure = warehouse.publishQuery(target, query);
  await expect(failure).rejects.toMatchObject({ retryable: false });
  await expect(failure).rejects.toThrow(/overflow|invalid|NULL|contract/);
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["7"]]);
});

test("the text of a failed statement does not show when the fault is printed", async () => {
  const warehouse = await server.open();
  const query = { kind: "sql", strings: ["SELECT 1 AS a FROM nowhere.at_all -- secret"], values: [] } as const;
  const failure = await warehouse
    .publishQuery(warehouse.target({ a: z.int32() }), query)
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "undefined_relation", statement: expect.stringContaining("secret") as string });
  expect(Object.keys(failure as object)).not.toContain("statement");
});

test("a database of an older format says what decimals of more than 18 digits need", async () => {
  const warehouse = await server.open();
  const old = join(server.dir, "old.hyper");
  await warehouse.sql(`CREATE DATABASE "${old}" WITH VERSION 2`);
  const url = new URL(server.url);
  url.pathname = `/${old}`;
  const store = await hyper.open(server.dir, { HYPER_URL: url.href });
  const target = targetOf({ a: decimal(19, 2) });
  const claims = [{ target, deps: [], sql: null, checks: [] }];
  expect(await hyper.prove(claims, server.dir, { HYPER_URL: url.href })).toMatchObject([
    { code: "contract_mismatch", message: expect.stringContaining("WITH VERSION 3") as string },
  ]);
  await store.close();
  const reader = await connect(server.url);
  expect((await reader.query("SELECT 1")).rowCount).toBe(1);
  await reader.end();
});

test("a publish that waits for another longer than the limit says so, and leaves the table", async () => {
  const warehouse = await server.open({ HYPER_LOCK_TIMEOUT_SECONDS: "1" });
  const target = warehouse.target({ id: z.int32() });
  await warehouse.publishRows(target, [{ id: 1 }]);
  const other = await connect(server.url);
  await other.query("BEGIN");
  await other.query(`DELETE FROM _dagster_typescript.turns WHERE asset_key = '${target.assetKey}'`);
  const failure = warehouse.publishRows(target, [{ id: 2 }]);
  await expect(failure).rejects.toMatchObject({ code: "table_locked", retryable: true });
  await expect(failure).rejects.toThrow("HYPER_LOCK_TIMEOUT_SECONDS");
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["1"]]);
  await other.query("ROLLBACK");
  await other.end();
  await warehouse.publishRows(target, [{ id: 2 }]);
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["2"]]);
  await expect(server.open({ HYPER_LOCK_TIMEOUT_SECONDS: "soon" })).rejects.toMatchObject({
    code: "bad_configuration",
  });
});

test("a full disk says so, and leaves the table to be read and written", async () => {
  // As hyperd says it, with the SQLSTATE of memory.
  const said = Object.assign(new Error("unable to write compressed datablock: growing the database file failed"), {
    code: "53200",
  });
  expect(statementError(said, "INSERT")).toMatchObject({ code: "disk_full", retryable: false });
  expect(statementError(said, "INSERT").message).toContain("Free space on the disk");
  // A disk of 24 MB; only root can mount one.
  if (process.getuid?.() === 0) await fillDisk();
});

async function fillDisk(): Promise<void> {
  const disk = join(server.dir, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs", disk]);
  try {
    await using engine = await startEngine("hyper", { dataDir: join(disk, "engine") });
    const store = await hyper.open(disk, { HYPER_URL: engine.url });
    const reader = await connect(engine.url);
    const small = new Warehouse(store, reader);
    const target = small.target({ id: z.int(), name: z.string() });
    const query = (rows: number): ReturnType<typeof sql> =>
      sql`SELECT CAST(n AS bigint) AS id, CAST(sha256(CAST(n AS text)) AS text) AS name FROM generate_series(1, ${rows}) AS g(n)`;
    await small.publishQuery(target, query(10));
    const given = attempt();
    const staged = await store.stageQuery(target, query(1_000_000), null, given);
    await expect(publish(staged, target, given)).rejects.toMatchObject({ code: "disk_full", retryable: false });
    await staged.discard();
    expect(await small.sql(`SELECT count(*) FROM ${small.schema}.x`)).toEqual([["10"]]);
    await small.publishQuery(target, query(11));
    expect(await small.sql(`SELECT count(*) FROM ${small.schema}.x`)).toEqual([["11"]]);
    await store.close();
    await reader.end();
  } finally {
    execFileSync("umount", ["--lazy", disk]);
  }
}
