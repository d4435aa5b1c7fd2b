import { type AddressInfo, connect as connectSocket, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { notNull, sql, z } from "../../../definitions/index.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { Connections } from "../../../resources/postgres/connections.ts";
import { statementError } from "../../../resources/postgres/errors.ts";
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

/** A way to the server on which all connections that are open can fall silent. */
async function silentProxy(
  options = "",
): Promise<{ readonly url: string; readonly silence: () => void; readonly close: () => void }> {
  const real = new URL(server.url);
  const sockets: Socket[] = [];
  const silent = new Set<Socket>();
  const proxy = createServer((down) => {
    const up = connectSocket(Number(real.port), real.hostname);
    for (const socket of [up, down]) socket.on("error", () => undefined);
    sockets.push(up, down);
    down.on("data", (data) => silent.has(down) || up.write(data));
    up.on("data", (data) => silent.has(up) || down.write(data));
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = new URL(server.url);
  url.port = String((proxy.address() as AddressInfo).port);
  url.search = options;
  return {
    url: url.href,
    silence: () => {
      for (const socket of sockets) silent.add(socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

/** A way to the server on which requests to cancel take a while. */
async function slowToCancel(ms: number): Promise<{ readonly url: string; readonly close: () => void }> {
  const real = new URL(server.url);
  const proxy = createServer((down) => {
    down.once("data", (first) => {
      // https://www.postgresql.org/docs/current/protocol-message-formats.html CancelRequest
      const isCancel = first.length === 16 && first.readInt32BE(4) === 80_877_102;
      const join = (): void => {
        const up = connectSocket(Number(real.port), real.hostname);
        up.write(first);
        down.pipe(up).pipe(down);
        for (const [one, other] of [[up, down] as const, [down, up] as const])
          one.on("error", () => undefined).on("close", () => other.destroy());
      };
      down.pause();
      if (isCancel) setTimeout(join, ms);
      else join();
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = new URL(server.url);
  url.port = String((proxy.address() as AddressInfo).port);
  return { url: url.href, close: () => proxy.close() };
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
  await expect(staged.check([notNull("id")])).rejects.toMatchObject({ code: "connection_lost" });
  await staged.discard();
  expect(facts.rowCount).toBe(1n);
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  expect(await warehouse.store.findPublished(target, given)).toBeUndefined();
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

test("a request to cancel that is long on its way ends nothing that the next run does in the same session", async () => {
  const { url, close } = await slowToCancel(600);
  const warehouse = new Warehouse(server, { DATABASE_URL: url });
  const target = warehouse.target(shape);
  const stop = new AbortController();
  const given = attempt({ signal: stop.signal });
  const quick = sql`SELECT 1 AS id, 'x' AS name FROM pg_sleep(0.3)`;
  const staging = warehouse.store.stageQuery(target, quick, null, given);
  const running = `SELECT min(pid)::text FROM pg_stat_activity WHERE application_name LIKE '%${given.runId}' AND wait_event = 'PgSleep'`;
  await until(warehouse, running);
  stop.abort(new Error("terminated by a person"));
  // It has ended by itself meanwhile.
  await (await staging).discard();
  await warehouse.publishQuery(target, sql`SELECT 2 AS id, 'y' AS name FROM pg_sleep(1)`);
  expect(await warehouse.sql("SELECT id FROM {x}")).toEqual([["2"]]);
  close();
});

test("a network that goes silent ends a statement, soon after its limit or when the run is terminated", async () => {
  const { url, silence, close } = await silentProxy();
  const warehouse = new Warehouse(server);
  const query = sql`SELECT 1 AS id, 'x' AS name FROM pg_sleep(600)`;
  const running = (runId: string): string =>
    `SELECT min(pid)::text FROM pg_stat_activity WHERE application_name LIKE '%${runId}' AND wait_event = 'PgSleep'`;
  const ended: string[] = [];
  const limits = { DATABASE_STATEMENT_TIMEOUT_SECONDS: "4", DATABASE_LOCK_TIMEOUT_SECONDS: "1" };
  const stop = new AbortController();
  const stage = async (name: string, signal: AbortSignal): Promise<{ readonly failing: Promise<unknown> }> => {
    const store = warehouse.another({ DATABASE_URL: url, ...limits });
    const given = attempt({ signal });
    const staging = store.stageQuery(warehouse.target(shape), query, null, given);
    const failing = staging
      .catch((error: unknown) => error)
      .finally(async () => {
        ended.push(name);
        await store.close();
      });
    await until(warehouse, running(given.runId));
    return { failing };
  };
  // The one that is terminated began later, so that its limit alone would end it later too.
  const left = await stage("left to its limit", new AbortController().signal);
  await warehouse.sql(
    `CREATE SCHEMA ${warehouse.schema}; CREATE VIEW {v} AS SELECT 1 AS id, 'x' AS name FROM pg_sleep(600)`,
  );
  const [reader, given] = [warehouse.another({ DATABASE_URL: url, ...limits }), attempt()];
  const view = warehouse.target(shape, undefined, "v");
  const copying = reader
    .exportParquet(view, join(server.folder, "silent.parquet"), given)
    .catch((error: unknown) => error);
  await until(warehouse, running(given.runId));
  const terminated = await stage("terminated", stop.signal);
  silence();
  stop.abort(new Error("terminated by a person"));
  expect(await terminated.failing).toMatchObject({ message: "terminated by a person" });
  expect(await left.failing).toMatchObject({ code: "connection_lost", retryable: true });
  expect(ended).toEqual(["terminated", "left to its limit"]);
  expect(await copying).toMatchObject({ code: "connection_lost", retryable: true });
  await reader.close();
  close();
});

test("a connection that fell silent while nobody used it is left for a new one, and holds up no end", async () => {
  const { url, silence, close } = await silentProxy("connect_timeout=1");
  const warehouse = new Warehouse(server);
  const store = warehouse.another({ DATABASE_URL: url });
  const target = warehouse.target(shape);
  const given = attempt();
  const staged = await store.stageQuery(target, sql`SELECT 1 AS id, 'x' AS name`, null, given);
  expect(await store.findPublished(target, attempt())).toBeUndefined();
  silence();
  expect(await store.findPublished(target, attempt())).toBeUndefined();
  await staged.discard();
  await store.close();
  close();
});

test("what goes wrong on this side of a copy is told as it is, and is no lost connection", async () => {
  const connections = new Connections(postgresConfig({ DATABASE_URL: server.url }));
  const fault = Object.assign(new Error("no such folder"), { code: "ENOENT" });
  const copying = connections.transaction({ assetKey: "a/x", runId: "r" }, async (client) => {
    await client.run("CREATE TEMPORARY TABLE t (a text)");
    const next = (): never => {
      throw fault;
    };
    await client.copyIn("COPY t FROM STDIN", { [Symbol.iterator]: () => ({ next }) });
  });
  await expect(copying).rejects.toBe(fault);
  const unknown = statementError(fault, "SELECT 1");
  expect(unknown).toMatchObject({ code: "statement_failed", retryable: false });
  expect(unknown.message).toContain("no such folder");
  await connections.close();
});

test("a commit waits for the server's disk, also of a user whose commits do not; what people want beyond that stays", async () => {
  await server.sql("CREATE ROLE hasty SUPERUSER LOGIN PASSWORD 'hasty'");
  const url = new URL(server.url);
  [url.username, url.password] = ["hasty", "hasty"];
  for (const [given, expected] of [
    ["off", "local"],
    ["local", "local"],
    ["on", "on"],
    ["remote_apply", "remote_apply"],
  ] as const) {
    await server.sql(`ALTER ROLE hasty SET synchronous_commit = ${given}`);
    const connections = new Connections(postgresConfig({ DATABASE_URL: url.href }));
    const held = (isDurable?: boolean): Promise<string | null | undefined> =>
      connections.transaction(
        { assetKey: "a/x", runId: "r", ...(isDurable === undefined ? {} : { isDurable }) },
        async (client) => (await client.text("SHOW synchronous_commit")).rows[0]?.[0],
      );
    expect([given, await held(), await held(false)]).toEqual([given, expected, "off"]);
    await connections.close();
  }
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
