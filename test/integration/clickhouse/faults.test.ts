import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { type AddressInfo, createServer, connect as dial } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import type { PartitionSet, WriteStrategy } from "../../../resources/store.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { toStatementError } from "../../../resources/clickhouse/errors.ts";
import { ClickHouseError } from "@clickhouse/client";
import { StatementError } from "../../../resources/errors.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int() };

test("a server that is down is an error that may be retried, and says what does not answer", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const store = warehouse.another({ CLICKHOUSE_URL: `http://default:secret@127.0.0.1:${port}` });
  const staging = store.stageRows(targetOf(SHAPE), attempt());
  await expect(staging).rejects.toMatchObject({ code: "unreachable", retryable: true });
  await expect(staging).rejects.toThrow(`127.0.0.1:${port}`);
  await expect(staging).rejects.toThrow("CLICKHOUSE_URL");
  await expect(staging).rejects.not.toThrow("secret");
  await store.close();
});

test("a connection that breaks in the middle of a copy leaves the old table, and the fault may be tried again", async () => {
  const to = targetOf({ id: z.int(), name: z.string() });
  await warehouse.publishRows(to, [{ id: 1, name: "one" }]);
  const { host, hostname, port } = new URL(warehouse.url);
  let broken = 0;
  const proxy = createServer((client) => {
    const server = dial(Number(port), hostname);
    let sent = 0;
    client.on("data", (bytes) => {
      sent += bytes.length;
      if (sent < 1_000_000) {
        server.write(bytes);
        return;
      }
      broken += 1;
      client.destroy();
    });
    server.on("data", (bytes) => client.write(bytes));
    client.on("error", () => undefined).on("close", () => server.destroy());
    server.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const url = warehouse.url.replace(host, `127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  const store = warehouse.another({ CLICKHOUSE_URL: url });
  const rows = Array.from({ length: 40_000 }, (_, id) => ({ id, name: `${id} ${"x".repeat(100)}` }));
  const given = attempt();
  const writer = await store.stageRows(to, given);
  const copying = (async () => {
    await writer.append(rows);
    await writer.finish();
  })();
  await expect(copying).rejects.toMatchObject({ code: "unreachable", retryable: true });
  expect(broken).toBeGreaterThan(0);
  await writer.discard();
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["1"]]);
  expect(await warehouse.leftovers()).toEqual([]);
  const again = await warehouse.stageRows(to, rows, given);
  await publish(again, to, given);
  expect(await warehouse.sql(`SELECT count() FROM ${to.schema}.x`)).toEqual([["40000"]]);
  await store.close();
  proxy.close();
});

test("a wrong password is an error that is not retried, and does not show the password", async () => {
  const url = new URL(warehouse.url);
  url.password = "hunter2";
  const store = warehouse.another({ CLICKHOUSE_URL: url.href });
  const staging = store.stageRows(targetOf(SHAPE), attempt());
  await expect(staging).rejects.toMatchObject({
    code: "access_denied",
    retryable: false,
    message: expect.stringContaining("CLICKHOUSE_URL") as unknown,
  });
  await expect(staging).rejects.not.toThrow("hunter2");
  await store.close();
});

test("a statement that takes too long is ended, and leaves table and staging as they were", async () => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1 }]);
  const store = warehouse.another({ CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "1" });
  const slow = sql`SELECT toInt64(sum(sleepEachRow(0.1))) AS id FROM numbers(10000) SETTINGS max_block_size = 5`;
  await expect(store.stageQuery(to, slow, null, attempt())).rejects.toMatchObject({
    code: "statement_timeout",
    retryable: false,
  });
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["1"]]);
  expect(await warehouse.leftovers()).toEqual([]);
  await store.close();
});

test("a run that is terminated ends its statement on the server, too", async () => {
  const to = targetOf(SHAPE);
  const stop = new AbortController();
  const slow = sql`SELECT toInt64(sum(sleepEachRow(0.1))) AS id FROM numbers(10000) SETTINGS max_block_size = 5`;
  const staging = warehouse.store.stageQuery(to, slow, null, attempt({ signal: stop.signal }));
  const running = async (): Promise<string> =>
    (await warehouse.sql("SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.1)%' AND query NOT LIKE '%processes%'"))[0]?.[0] ?? ""; // prettier-ignore
  await expect.poll(running, { timeout: 60_000 }).not.toBe("0");
  stop.abort(new Error("terminated"));
  await expect(staging).rejects.toThrow("terminated");
  await expect.poll(running, { timeout: 60_000 }).toBe("0");
  expect(await warehouse.leftovers()).toEqual([]);
});

test.each([
  ["a condition that throws", sql`SELECT toInt64(throwIf(number = 5, 'five')) AS id FROM numbers(10)`],
  ["a number that overflows", sql`SELECT accurateCast(number + 9223372036854775800, 'Int64') AS id FROM numbers(10)`],
  ["a text that is no number", sql`SELECT toInt64(concat('a', toString(number))) AS id FROM numbers(10)`],
  ["a decimal that overflows", sql`SELECT toInt64(toDecimal32('99999', 4) * toDecimal32('99999', 4)) AS id`],
])("%s in a query fails it, not to be retried, and nothing is left", async (_name, query) => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1 }]);
  await expect(warehouse.publishQuery(to, query)).rejects.toMatchObject({ code: "statement_failed", retryable: false });
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["1"]]);
  expect(await warehouse.leftovers()).toEqual([]);
});

// Only root can mount a small disk.
test.runIf(process.getuid?.() === 0)(
  "a full disk fails a query and rows with what to do, and leaves the table to be read and written",
  async () => {
    const disk = join(warehouse.dir, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m,mode=777", "tmpfs", disk]);
    try {
      await using engine = await startEngine("clickhouse", { dataDir: join(disk, "engine") });
      const store = warehouse.another({ CLICKHOUSE_URL: engine.url });
      const to = targetOf({ id: z.int(), name: z.string() });
      const of = (rows: number): Sql =>
        sql`SELECT toInt64(number) AS id, hex(SHA256(toString(number))) AS name FROM numbers(${rows})`;
      const write = async (rows: number): Promise<unknown> => {
        const given = attempt();
        return await publish(await store.stageQuery(to, of(rows), null, given), to, given);
      };
      const count = async (): Promise<unknown> => await store.maxOf(to, "id", attempt());
      await write(10);
      const full = { code: "disk_full", retryable: false, message: expect.stringContaining("Free space") as unknown };
      await expect(write(2_000_000)).rejects.toMatchObject(full);
      const writer = await store.stageRows(to, attempt());
      const page = (): object[] =>
        Array.from({ length: 5_000 }, (_, id) => ({ id, name: randomBytes(100).toString("hex") }));
      const appending = (async () => {
        for (;;) await writer.append(page() as Record<string, unknown>[]);
      })();
      await expect(appending).rejects.toMatchObject(full);
      await writer.discard();
      expect(await count()).toBe("9");
      await write(11);
      expect(await count()).toBe("10");
      await store.close();
    } finally {
      execFileSync("umount", ["--lazy", disk]);
    }
  },
);

test("a table that does not exist is an error of its own", async () => {
  const missing = { kind: "table", assetKey: "nowhere/none" } as const;
  await expect(warehouse.publishQuery(targetOf(SHAPE), sql`SELECT 1 AS id FROM ${missing}`)).rejects.toMatchObject({
    code: "undefined_relation",
    retryable: false,
  });
});

test.each([
  ["241", "MEMORY_LIMIT_EXCEEDED", "overload", true],
  ["202", "TOO_MANY_SIMULTANEOUS_QUERIES", "overload", true],
  ["242", "TABLE_IS_READ_ONLY", "overload", true],
  ["243", "NOT_ENOUGH_SPACE", "disk_full", false],
  ["497", "ACCESS_DENIED", "access_denied", false],
  ["516", "AUTHENTICATION_FAILED", "access_denied", false],
  ["159", "TIMEOUT_EXCEEDED", "statement_timeout", false],
  ["210", "NETWORK_ERROR", "unreachable", true],
  ["236", "ABORTED", "unreachable", true],
  ["394", "QUERY_WAS_CANCELLED", "unreachable", true],
  ["745", "SERVER_OVERLOADED", "overload", true],
  ["60", "UNKNOWN_TABLE", "undefined_relation", false],
  ["407", "DECIMAL_OVERFLOW", "statement_failed", false],
  ["100000", "FROM_THE_FUTURE", "statement_failed", false],
])("error %s (%s) is %s", (code, type, expected, retryable) => {
  const error = toStatementError(new ClickHouseError({ code, type, message: "It happened. " }), "SELECT 'secret'");
  expect(error).toMatchObject({ code: expected, retryable, exceptionCode: Number(code) });
  expect(JSON.stringify(error) + String(error)).not.toContain("secret");
});

test.each<[name: string, fault: Error, code: string, retryable: boolean]>([
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"].map(
    (code): [string, Error, string, boolean] => [
      code,
      Object.assign(new Error("it broke"), { code }),
      "unreachable",
      true,
    ],
  ),
  ["a hang up", new Error("socket hang up"), "unreachable", true],
  ["the driver's limit", new Error("Timeout error."), "unreachable", true],
  ["a certificate", Object.assign(new Error("expired"), { code: "CERT_HAS_EXPIRED" }), "statement_failed", false],
  ["what nobody knows", new TypeError("x is not a function"), "statement_failed", false],
])("a fault on the way to the server, %s, names the host and no password", (_name, fault, code, retryable) => {
  const error = toStatementError(fault, "SELECT 1", new URL("http://me:hunter2@far.example:8123"));
  expect(error).toMatchObject({ code, retryable, exceptionCode: null });
  expect(error).toBeInstanceOf(StatementError);
  expect(error.message).toContain("far.example:8123");
  expect(error.message).toContain("CLICKHOUSE_URL");
  expect(String(error)).not.toContain("hunter2");
});

test.each([
  [{}, "CLICKHOUSE_URL"],
  [{ CLICKHOUSE_URL: "http://me:hunter2%ZZ@localhost:8123" }, "CLICKHOUSE_URL: its password"],
  [{ CLICKHOUSE_URL: "clickhouse.example:hunter2" }, "CLICKHOUSE_URL"],
  [
    { CLICKHOUSE_URL: "http://localhost", CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "soon" },
    "CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS",
  ],
  [{ CLICKHOUSE_URL: "http://localhost", CLICKHOUSE_ENGINE: "Memory" }, "CLICKHOUSE_ENGINE"],
  [{ CLICKHOUSE_URL: "http://localhost", CLICKHOUSE_ENGINE: "ReplacingMergeTree" }, "CLICKHOUSE_ENGINE"],
  [{ CLICKHOUSE_URL: "http://localhost", CLICKHOUSE_ENGINE: "ReplicatedSummingMergeTree" }, "CLICKHOUSE_ENGINE"],
  [{ CLICKHOUSE_URL: "https://localhost", CLICKHOUSE_CA_FILE: "/nowhere/ca.pem" }, "CLICKHOUSE_CA_FILE"],
  [{ CLICKHOUSE_URL: "https://localhost", CLICKHOUSE_CA_FILE: "/dev/null" }, "/dev/null holds nothing in PEM format"],
])("a wrong configuration names the variable: %j", (env, variable) => {
  expect(() => clickhouseConfig(env)).toThrow(variable);
  expect(() => clickhouseConfig(env)).not.toThrow("hunter2");
});

test("a failed publish of rows leaves them staged until they are discarded", async () => {
  const to = targetOf(SHAPE, { kind: "merge", key: ["id"] });
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 1 }, { id: 1 }], given);
  await expect(publish(staged, to, given)).rejects.toMatchObject({ code: "contract_broken" });
  await staged.discard();
  expect(await warehouse.leftovers()).toEqual([]);
});

const untilMonth = (month: number): PartitionSet => ({
  ...{ kind: "window", column: "at" },
  ...{ start: new Date("2017-01-01T00:00:00Z"), end: new Date(Date.UTC(2017, month)) },
});
test.each<[string, WriteStrategy, boolean]>([
  ["a replace", { kind: "replace" }, true],
  ["an append", { kind: "append" }, false],
  ["a merge", { kind: "merge", key: ["id"] }, false],
  ["a partition in place", { kind: "replacePartitions", partitions: untilMonth(1) }, true],
  ["partitions by exchange", { kind: "replacePartitions", partitions: untilMonth(2) }, false],
])(
  "people's lightweight updates are in the rows that %s keeps, or it says how to put them there",
  async (name, strategy, isTaken) => {
    const columns = { id: z.int(), name: z.string(), at: timestamp() };
    const to = { ...targetOf(columns, strategy), storage: { clickhouse: { partitionBy: sql`toYYYYMM(at)` } } };
    const x = `\`${to.schema}\`.\`x\``;
    await warehouse.run(
      `CREATE DATABASE ${to.schema}`,
      `CREATE TABLE ${x} (id Int64, name String, at DateTime64(6, 'UTC')) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id
      SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1 COMMENT 'A test.'`,
      `INSERT INTO ${x} SELECT number, 'old', toDateTime64('2017-01-05 00:00:00', 6, 'UTC') + INTERVAL number MONTH FROM numbers(3)`,
      `UPDATE ${x} SET name = 'by people' WHERE true`,
    );
    const row = { id: 0, name: "new", at: new Date("2017-01-05T00:00:00Z") };
    const names = async (): Promise<unknown> =>
      (await warehouse.sql(`SELECT concat(id, ' ', name) FROM ${x} ORDER BY 1`)).flat();
    const kept = ["1 by people", "2 by people"];
    if (!isTaken) {
      const given = attempt();
      const staged = await warehouse.stageRows(to, [row], given);
      await expect(publish(staged, to, given)).rejects.toMatchObject({
        code: "unapplied_updates",
        retryable: false,
        message: expect.stringContaining(`ALTER TABLE ${x} APPLY PATCHES`) as unknown,
      });
      await staged.discard();
      expect(await names()).toEqual(["0 by people", ...kept]);
      await warehouse.run(`ALTER TABLE ${x} APPLY PATCHES SETTINGS mutations_sync = 2`);
    }
    await warehouse.publishRows(to, [row]);
    const expected: Record<string, string[]> = {
      replace: ["0 new"],
      append: ["0 by people", "0 new", ...kept],
      merge: ["0 new", ...kept],
      replacePartitions: ["0 new", ...(name === "a partition in place" ? kept : kept.slice(1))],
    };
    expect(await names()).toEqual(expected[strategy.kind]);
    // What is left of the updates has no hold of the new rows, also when the parts are merged.
    await warehouse.run(`OPTIMIZE TABLE ${x} FINAL`);
    expect(await names()).toEqual(expected[strategy.kind]);
    expect(await warehouse.leftovers()).toEqual([]);
  },
);

test.each([
  ["timeout_overflow_mode=break&max_block_size=100", "statement_timeout"],
  ["read_overflow_mode=break&max_rows_to_read=10", "statement_failed"],
  ["limit=5&offset=2", null],
])("a profile with %s, which would leave rows out, leaves none out", async (settings, code) => {
  const url = `${warehouse.url}?${settings.replace(/(^|&)/g, "$1clickhouse_setting_")}`;
  const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "1" });
  const to = targetOf(SHAPE);
  const given = attempt();
  const slow = code === "statement_timeout" ? sql`sleepEachRow(0.001) = 0` : sql`true`;
  const query = sql`SELECT CAST(number AS Int64) AS id FROM numbers(2500) WHERE ${slow}`;
  const publishing = store.stageQuery(to, query, null, given).then((staged) => publish(staged, to, given));
  if (code === null) expect((await publishing).rowCount).toBe(2500n);
  else await expect(publishing).rejects.toMatchObject({ code });
  await store.close();
});
