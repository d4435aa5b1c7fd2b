import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, references, sql, z } from "../../../definitions/index.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { PostgresStore } from "../../../resources/postgres/postgres_store.ts";
import { attempt, entryOf, publish } from "../duckdb/warehouse.ts";
import { findFreePort } from "../../../ops/engines/free_port.ts";
import { connect, Server, textOf } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), name: z.string().nullable() };
const old = [{ id: 1, name: "old" }];
const OLD = [["1", "old"]];

/** Waits until the server shows what is asked for; only a hang reaches the deadline. */
async function until(warehouse: Warehouse, question: string): Promise<string> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const [row] = await warehouse.sql(question);
    if (row?.[0] != null) return row[0];
    if (performance.now() > deadline) throw new Error(`still not: ${question}`);
    await wait(20);
  }
}

function storeOf(change: (url: URL) => void): PostgresStore {
  const url = new URL(server.url);
  change(url);
  return new PostgresStore(postgresConfig({ DATABASE_URL: url.href }), server.folder);
}

async function faultOf(store: PostgresStore): Promise<Error> {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  const error: unknown = await store.findPublished(target, attempt()).catch((fault: unknown) => fault);
  await store.close();
  if (!(error instanceof Error)) throw new Error("no fault");
  return error;
}

test("a server that is down is told of with its place, and is worth another try", async () => {
  const port = await findFreePort();
  const fault = await faultOf(storeOf((url) => (url.port = String(port))));
  expect(fault).toMatchObject({ code: "postgres_unreachable", retryable: true });
  expect(fault.message).toContain(`127.0.0.1:${port}`);
});

test("a wrong password, user or database is no matter of time, and the password is nowhere in the error", async () => {
  for (const change of [
    (url: URL) => (url.password = "wr0ng-s3cret"),
    (url: URL) => (url.username = "nobody"),
    (url: URL) => (url.pathname = "/none"),
  ]) {
    const fault = await faultOf(storeOf(change));
    expect(fault).toMatchObject({ code: "postgres_login_refused", retryable: false });
    const shown = [fault.message, fault.stack, JSON.stringify(fault), String(fault.cause)].join("\n");
    expect(shown).not.toContain("wr0ng-s3cret");
    expect(shown).not.toContain(new URL(server.url).password);
  }
});

test.each(["", "mysql://x:s3cret@h/d", "no url s3cret"])("DATABASE_URL %j is refused, and not shown", (url) => {
  const config = (): unknown => postgresConfig({ DATABASE_URL: url });
  expect(config).toThrow(/postgres:\/\/user:password@host/);
  expect(config).not.toThrow(/s3cret/);
});

test("a statement that takes too long is ended by the server", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  const slow = new PostgresStore(
    postgresConfig({ DATABASE_URL: server.url, DATABASE_STATEMENT_TIMEOUT_SECONDS: "3" }),
    server.folder,
  );
  const query = sql`SELECT 1 AS id, 'x' AS name FROM pg_sleep(60)`;
  const staging = slow.stageQuery(target, query, null, attempt());
  await expect(staging).rejects.toMatchObject({ code: "statement_timeout", retryable: false });
  await expect(staging).rejects.toThrow("DATABASE_STATEMENT_TIMEOUT_SECONDS");
  // The connection is as good as before.
  expect(await slow.findPublished(target, attempt())).toBeUndefined();
  await slow.close();
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
});

test("a reader who does not leave makes a publish wait, then give up; others read on meanwhile", async () => {
  const warehouse = new Warehouse(server, { DATABASE_LOCK_TIMEOUT_SECONDS: "3" });
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  const reader = await connect(server.url);
  await reader.query(`BEGIN; SELECT * FROM ${warehouse.name()}`);
  const logged: string[] = [];
  const given = attempt({ log: (message) => logged.push(message) });
  const staged = await warehouse.stageRows(target, [{ id: 2, name: "new" }], given);
  const publishing = expect(publish(staged, target, given)).rejects.toMatchObject({
    code: "lock_timeout",
    retryable: true,
  });
  const over = new AbortController();
  void publishing.finally(() => {
    over.abort();
  });
  let reads = 0;
  while (!over.signal.aborted) {
    expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
    reads += 1;
  }
  await publishing;
  // Readers that queued behind the publish all the time would have had one turn.
  expect(reads).toBeGreaterThan(2);
  expect(logged.join()).toContain("Waiting");
  await reader.query("COMMIT");
  await publish(staged, target, given);
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual([["2", "new"]]);
  await reader.end();
});

test("a connection that is killed in the middle of a copy leaves the table, and the next run takes the rest away", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  const runId = attempt().runId;
  const given = attempt({ runId });
  const writer = await warehouse.store.stageRows(target, given);
  // A lock on the staging table holds the copy while its connection is ended.
  const [[table = ""] = []] = (await warehouse.stagingTables()).filter(([, owner]) => owner?.includes(runId));
  const holder = await connect(server.url);
  await holder.query(`BEGIN; LOCK TABLE _dagster_typescript."${table ?? ""}"`);
  const rows = Array.from({ length: 200_000 }, (_, id) => ({ id, name: "x".repeat(30) }));
  const appending = (async () => {
    await writer.append(rows);
    await writer.append(rows);
    await writer.finish();
  })();
  const failing = expect(appending).rejects.toMatchObject({ code: "connection_lost", retryable: true });
  const pid = await until(
    warehouse,
    `SELECT min(pid)::text FROM pg_stat_activity WHERE query LIKE 'COPY%' AND application_name LIKE '%${runId}'`,
  );
  await warehouse.sql(`SELECT pg_terminate_backend(${pid})`);
  await holder.query("ROLLBACK");
  await holder.end();
  await failing;
  await writer.discard();
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  expect((await warehouse.stagingTables()).filter(([, owner]) => owner?.includes(runId))).toEqual([]);
  // The store goes on with a new connection.
  await warehouse.publishRows(target, [{ id: 9, name: "new" }]);
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual([["9", "new"]]);
});

test("a connection that is killed between check and publish of a query publishes nothing", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  const given = attempt();
  const staged = await warehouse.store.stageQuery(target, sql`SELECT 2 AS id, 'new' AS name`, null, given);
  const facts = await staged.facts();
  await warehouse.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%${given.runId}'`,
  );
  await expect(staged.check([])).rejects.toMatchObject({ code: "connection_lost" });
  await staged.discard();
  expect(facts.rowCount).toBe(1n);
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  expect(await warehouse.store.findPublished(target, given)).toBeUndefined();
});

test.each([
  [
    "a number that does not fit",
    sql`SELECT (2147483647 + n)::integer AS id, 'x' AS name FROM generate_series(1, 1) AS n`,
    "value_out_of_range",
  ],
  ["NULL where there is none", sql`SELECT NULL::integer AS id, 'x' AS name`, "statement_failed"],
  [
    "a table that is not there",
    sql`SELECT id, name FROM ${{ kind: "table", assetKey: "none/none" }}`,
    "undefined_relation",
  ],
  ["a NUL in a bound text", sql`SELECT 1 AS id, ${"a\0b"} AS name`, "unstorable_text"],
  [
    "a division by zero",
    sql`SELECT 1 / (n - 1) AS id, 'x' AS name FROM generate_series(1, 1) AS n`,
    "statement_failed",
  ],
])("%s in a query leaves the table", async (_name, query, code) => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  await expect(warehouse.publishQuery(target, query)).rejects.toMatchObject({ code, retryable: false });
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
});

test("a NUL in a row fails the rows with the name of the column, and never cuts the text", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  const writer = await warehouse.store.stageRows(target, attempt());
  const appending = (async () => writer.append([{ id: 2, name: "a\0b" }]))();
  await expect(appending).rejects.toMatchObject({ code: "contract_broken" });
  await expect(appending).rejects.toThrow(/"name".*NUL/);
  await writer.discard();
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  // A document may hold one, in its escaped form.
  const documents = warehouse.target({ doc: json(z.unknown()) }, { kind: "replace" }, "documents");
  await warehouse.publishRows(documents, [{ doc: "a\0b" }]);
  expect(await warehouse.sql("SELECT doc FROM {documents}")).toEqual([[String.raw`"a\u0000b"`]]);
});

test("quarantined rows are kept, also of an attempt that publishes nothing, whatever characters are in them", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  const writer = await warehouse.store.stageRows(target, attempt());
  writer.quarantine({ rowNumber: 7, reason: "a\0\tb\\N", value: `{"n":"\n"}` });
  await writer.fail();
  const shown = `SELECT row_number, reason, value FROM _dagster_typescript.quarantine WHERE asset_key = '${target.assetKey}'`;
  expect(await warehouse.sql(shown)).toEqual([["7", "a\\0\tb\\N", `{"n":"\n"}`]]);
  await warehouse.publishRows(target, old);
  expect(await warehouse.sql(shown)).toEqual([]);
});

test("a table owned by someone else is refused with what to do, or written where its owner lets it be", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, old);
  await warehouse.sql(`CREATE ROLE guest LOGIN PASSWORD 'guest-password';
    GRANT USAGE, CREATE ON SCHEMA _dagster_typescript TO guest;
    GRANT SELECT, INSERT, DELETE, UPDATE ON ALL TABLES IN SCHEMA _dagster_typescript TO guest;
    GRANT USAGE ON SCHEMA ${warehouse.schema} TO guest; GRANT SELECT ON {x} TO guest`);
  const guest = storeOf((url) => {
    url.username = "guest";
    url.password = "guest-password";
  });
  const write = async (): Promise<void> => {
    const given = attempt();
    const staged = await guest.stageQuery(target, sql`SELECT 2 AS id, 'new' AS name`, null, given);
    try {
      await publish(staged, target, given);
    } finally {
      await staged.discard();
    }
  };
  await expect(write()).rejects.toMatchObject({ code: "permission_denied", retryable: false });
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  await warehouse.sql("GRANT INSERT, DELETE, UPDATE ON {x} TO guest");
  await write();
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual([["2", "new"]]);
  await guest.close();
});

test("a check on an asset that was never materialised fails with the name of its table", async () => {
  const warehouse = new Warehouse(server);
  const parent = { kind: "table", assetKey: "a/parent", c: { id: null } } as const;
  await expect(warehouse.check(warehouse.target(shape), old, [references("id", parent, "id")])).rejects.toMatchObject({
    code: "undefined_relation",
    message: expect.stringContaining("parent") as unknown,
  });
});

test("a run that is terminated ends its statement on the server, and says why", async () => {
  const warehouse = new Warehouse(server);
  const stop = new AbortController();
  const given = attempt({ signal: stop.signal });
  const query = sql`SELECT 1 AS id, 'x' AS name FROM pg_sleep(600)`;
  const staging = warehouse.store.stageQuery(warehouse.target(shape), query, null, given);
  const ending = expect(staging).rejects.toThrow("terminated by a person");
  const running = `SELECT min(pid)::text FROM pg_stat_activity WHERE application_name LIKE '%${given.runId}' AND wait_event = 'PgSleep'`;
  await until(warehouse, running);
  stop.abort(new Error("terminated by a person"));
  await ending;
  expect(await warehouse.sql(running)).toEqual([[null]]);
});

test("the server shows which asset and run works in a connection, and only while it does", async () => {
  const warehouse = new Warehouse(server);
  const given = attempt();
  const target = warehouse.target(shape);
  const staged = await warehouse.store.stageQuery(target, sql`SELECT 1 AS id, 'x' AS name`, null, given);
  const names = `SELECT application_name FROM pg_stat_activity WHERE application_name LIKE '%${given.runId}'`;
  expect(await warehouse.sql(names)).toEqual([[`${target.assetKey} ${given.runId}`]]);
  await staged.discard();
  expect(await warehouse.sql(names)).toEqual([]);
});

test("publishes of one table by several at once come one after the other", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape, { kind: "append" });
  await Promise.all(Array.from({ length: 6 }, (_, id) => warehouse.publishRows(target, [{ id, name: null }])));
  const replace = warehouse.target(shape, { kind: "replace" }, "y");
  await Promise.all(Array.from({ length: 6 }, (_, id) => warehouse.publishRows(replace, [{ id, name: null }])));
  expect(await warehouse.sql("SELECT count(*), count(DISTINCT id) FROM {x}")).toEqual([["6", "6"]]);
  expect(await warehouse.sql("SELECT count(*) FROM {y}")).toEqual([["1"]]);
  const client = await connect(server.url);
  expect(
    await textOf(
      client,
      `SELECT count(*) FROM _dagster_typescript.ledger WHERE asset_key LIKE '${warehouse.schema}/%'`,
    ),
  ).toEqual([["12"]]);
  await client.end();
});

test("several stores that find an empty database make their own tables once", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.sql("CREATE DATABASE fresh");
  const url = new URL(server.url);
  url.pathname = "/fresh";
  const stores = Array.from({ length: 4 }, () => warehouse.another({ DATABASE_URL: url.href }));
  await Promise.all(
    stores.map(async (store, id) => {
      const given = attempt();
      const target = warehouse.target(shape, { kind: "append" }, `t${id}`);
      await publish(await store.stageQuery(target, sql`SELECT 1 AS id, 'x' AS name`, null, given), target, given);
      await store.close();
    }),
  );
  const client = await connect(url.href);
  expect(await textOf(client, "SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([["4"]]);
  await client.end();
});

test("rows that a crash of the server took out of staging are missed, and nothing is published", async () => {
  const crashing = await Server.start();
  try {
    const warehouse = new Warehouse(crashing);
    const target = warehouse.target(shape, { kind: "append" });
    await warehouse.publishRows(target, old);
    const [before, after] = [attempt(), attempt()];
    const first = await warehouse.stageRows(target, [{ id: 2, name: "lost" }], before);
    const second = await warehouse.stageRows(target, [{ id: 3, name: "lost" }], after);
    const facts = await second.facts();
    // When one of its processes is killed the server ends them all and recovers.
    const [[pid = ""] = []] = await warehouse.sql(
      "SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'background writer'",
    );
    process.kill(Number(pid), "SIGKILL");
    const deadline = performance.now() + 60_000;
    const isBack = async (): Promise<boolean> => {
      const client = await connect(crashing.url).catch(() => undefined);
      const rows = await (client === undefined
        ? []
        : textOf(client, "SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'background writer'").catch(
            () => [],
          ));
      await client?.end();
      return rows.length === 1 && rows[0]?.[0] !== pid;
    };
    while (!(await isBack()) && performance.now() < deadline) await wait(50);
    await expect(first.facts()).rejects.toMatchObject({ code: "staged_rows_lost", retryable: true });
    await expect(second.publish(entryOf(target, after, facts))).rejects.toMatchObject({ code: "staged_rows_lost" });
    const client = await connect(crashing.url);
    expect(await textOf(client, `SELECT * FROM ${warehouse.name()}`)).toEqual(OLD);
    await client.end();
  } finally {
    await crashing.stop();
  }
});

test("a server without room for what a query sorts says so, and keeps the table", async () => {
  const small = await Server.start({ settings: { temp_file_limit: "1MB", work_mem: "64kB" } });
  try {
    const warehouse = new Warehouse(small);
    const target = warehouse.target(shape);
    await warehouse.publishRows(target, old);
    const query = sql`SELECT n AS id, repeat('x', 100) AS name FROM generate_series(1, 100000) AS n ORDER BY random()`;
    await expect(warehouse.publishQuery(target, query)).rejects.toMatchObject({ code: "disk_full", retryable: false });
    expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  } finally {
    await small.stop();
  }
});
