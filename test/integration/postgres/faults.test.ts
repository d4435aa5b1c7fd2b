import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { date, json, references, sql, z } from "../../../definitions/index.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { PostgresStore } from "../../../resources/postgres/postgres_store.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, entryOf, publish } from "../duckdb/warehouse.ts";
import { connect, Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), name: z.string().nullable() };
const old = [{ id: 1, name: "old" }];
const OLD = [["1", "old"]];
const added = [{ id: 2, name: "new" }];
const NEW = sql`SELECT 2 AS id, 'new' AS name`;

function storeOf(change: (url: URL) => void): PostgresStore {
  const url = new URL(server.url);
  change(url);
  return new PostgresStore(postgresConfig({ DATABASE_URL: url.href }), server.folder);
}

test("the server ends a statement after five minutes, unless it is told otherwise", async () => {
  const warehouse = new Warehouse(server);
  const query = sql`SELECT 1 AS id, current_setting('statement_timeout') AS name`;
  await warehouse.publishQuery(warehouse.target(shape), query);
  expect(await warehouse.sql("SELECT name FROM {x}")).toEqual([["5min"]]);
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

/** What somebody else does in a transaction that stays open, and a publish that waits for it. */
const IN_THE_WAY: readonly (readonly [
  name: string,
  hold: string,
  publish: (warehouse: Warehouse, target: Target) => Promise<unknown>,
])[] = [
  [
    "a publish",
    "SELECT pg_advisory_xact_lock(hashtextextended('_dagster_typescript:{key}', 0))",
    (warehouse, target) => warehouse.publishRows({ ...target, strategy: { kind: "append" } }, added),
  ],
  [
    "the table",
    "LOCK TABLE {x} IN SHARE MODE",
    (warehouse, target) => warehouse.publishRows({ ...target, strategy: { kind: "append" } }, added),
  ],
  [
    "a row",
    "SELECT FROM {x} FOR UPDATE",
    (warehouse, target) => warehouse.publishRows({ ...target, strategy: { kind: "merge", key: ["id"] } }, old),
  ],
  [
    "a key",
    "INSERT INTO {x} VALUES (2, 'theirs')",
    (warehouse, target) => warehouse.publishRows({ ...target, strategy: { kind: "append" } }, added),
  ],
  [
    "rows, for an index",
    "INSERT INTO {x} VALUES (3, 'theirs')",
    (warehouse, target) =>
      warehouse.publishRows(
        { ...target, strategy: { kind: "append" }, storage: { postgres: { indexes: [{ columns: ["name"] }] } } },
        added,
      ),
  ],
  [
    "partitions",
    "LOCK TABLE {p} IN SHARE UPDATE EXCLUSIVE MODE",
    (warehouse) => {
      const target = warehouse.target({ day: date() }, { kind: "append" }, "p");
      const storage = { postgres: { partitionBy: { column: "day", every: "month" } } } as const;
      return warehouse.publishRows({ ...target, storage }, [{ day: "2024-01-01" }]);
    },
  ],
  [
    "a materialised view",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY {m}",
    (warehouse) => warehouse.publishView({ ...warehouse.target(shape, undefined, "m"), key: ["id"] }, NEW),
  ],
];

test("a wait for a lock is worth another try, also where statements may not take longer than it", async () => {
  const waits = async ([name, hold, publishes]: (typeof IN_THE_WAY)[number]): Promise<unknown> => {
    const warehouse = new Warehouse(server, {
      DATABASE_STATEMENT_TIMEOUT_SECONDS: "1",
      DATABASE_LOCK_TIMEOUT_SECONDS: "1",
    });
    const target = warehouse.target(shape);
    await warehouse.publishRows(target, old);
    await warehouse.publishView({ ...warehouse.target(shape, undefined, "m"), key: ["id"] }, NEW);
    await warehouse.sql(
      `CREATE UNIQUE INDEX ON {x} (id); CREATE TABLE {p} (day date NOT NULL) PARTITION BY RANGE (day)`,
    );
    const other = await connect(server.url);
    const held = hold
      .replaceAll("{key}", target.assetKey)
      .replaceAll(/\{(\w+)\}/g, (_, table: string) => warehouse.name(table));
    await other.query(`BEGIN; ${held}`);
    const fault: unknown = await publishes(warehouse, target).catch((error: unknown) => error);
    await other.query("ROLLBACK");
    await other.end();
    const { code, retryable } = fault as { readonly code?: string; readonly retryable?: boolean };
    await publishes(warehouse, target);
    return [name, code, retryable];
  };
  expect(await Promise.all(IN_THE_WAY.map(waits))).toEqual(IN_THE_WAY.map(([name]) => [name, "lock_timeout", true]));
});

test("the limit of statements holds after a lock", async () => {
  const warehouse = new Warehouse(server, {
    DATABASE_STATEMENT_TIMEOUT_SECONDS: "1",
    DATABASE_LOCK_TIMEOUT_SECONDS: "1",
  });
  await warehouse.publishRows(warehouse.target(shape), old);
  await warehouse.sql(`CREATE FUNCTION {f}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON {x} FOR EACH ROW EXECUTE FUNCTION {f}()`);
  const publishing = warehouse.publishRows(warehouse.target(shape, { kind: "append" }), added);
  await expect(publishing).rejects.toMatchObject({ code: "statement_timeout", retryable: false });
});

test("a table that stays is written beside its vacuum, and beside an index that people make concurrently", async () => {
  const warehouse = new Warehouse(server, { DATABASE_LOCK_TIMEOUT_SECONDS: "1" });
  await warehouse.publishRows(warehouse.target(shape), old);
  const other = await connect(server.url);
  // The lock of both.
  await other.query(`BEGIN; LOCK TABLE ${warehouse.name()} IN SHARE UPDATE EXCLUSIVE MODE`);
  for (const strategy of [{ kind: "append" }, { kind: "merge", key: ["id"] }] as const)
    await warehouse.publishRows(warehouse.target(shape, strategy), added);
  await other.query("ROLLBACK");
  await other.end();
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
  const [outcome] = await warehouse.check(warehouse.target(shape), old, [references("id", parent, "id")]);
  expect(outcome).toMatchObject({ passed: false, error: expect.stringContaining("parent") as unknown });
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
    // A disk of 4 MB for new tables; only root can mount one.
    if (process.getuid?.() === 0) await fillDisk(small, warehouse);
  } finally {
    await small.stop();
  }
});

async function fillDisk(small: Server, warehouse: Warehouse): Promise<void> {
  const disk = mkdtempSync(join(small.folder, "disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs", disk]);
  const target = warehouse.target(shape);
  try {
    const { uid, gid } = statSync(join(small.folder, "data", "cluster"));
    chownSync(disk, uid, gid);
    await small.sql(`CREATE TABLESPACE small LOCATION '${disk}'`);
    await small.sql("ALTER DATABASE warehouse SET default_tablespace = small");
    await warehouse.store.close();
    const rows = Array.from({ length: 60_000 }, (_, id) => ({ id, name: "x".repeat(100) }));
    const query = sql`SELECT n AS id, repeat('x', 100) AS name FROM generate_series(1, 60000) AS n`;
    for (const fill of [
      async () => await warehouse.publishQuery(target, query),
      async () => {
        const writer = await warehouse.store.stageRows(target, attempt());
        try {
          await writer.append(rows);
          await writer.finish();
        } catch (error) {
          await writer.discard();
          throw error;
        }
      },
      async () => await warehouse.publishView({ ...target, key: ["id"] }, query),
    ]) {
      await expect(fill()).rejects.toMatchObject({ code: "disk_full", retryable: false });
      expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
      expect(await warehouse.stagingTables()).toEqual([]);
    }
    // With less it goes on.
    await warehouse.publishRows(target, rows.slice(0, 10));
    expect(await warehouse.sql("SELECT count(*) FROM {x}")).toEqual([["10"]]);
    // So that the server can stop without the disk.
    await small.sql(`DROP SCHEMA ${warehouse.schema} CASCADE`);
    await small.sql("DROP TABLESPACE small");
  } finally {
    execFileSync("umount", ["--lazy", disk]);
  }
}

test.each<[string, Sql, RegExp]>([
  ["a point", sql`SELECT point(1, 2) AS id, 'x' AS name`, /"id" is point, expected integer/],
  ["a list", sql`SELECT 1 AS id, ARRAY['x'] AS name`, /"name" is text\[\], expected text/],
  ["an interval", sql`SELECT 1 AS id, now() - now() AS name`, /"name" is interval, expected text/],
  ["an unknown record", sql`SELECT 1 AS id, ROW(1, 2) AS name`, /"name" is record, expected text/],
])("%s, which no contract holds, is refused with its name before anything runs", async (_name, query, message) => {
  const warehouse = new Warehouse(server);
  const target = { ...warehouse.target(shape), key: ["id"] };
  await warehouse.publishRows(target, old);
  for (const how of ["publishQuery", "publishView"] as const) {
    const publishing = warehouse[how](target, query);
    await expect(publishing).rejects.toMatchObject({ code: "contract_broken", retryable: false });
    await expect(publishing).rejects.toThrow(message);
  }
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
});

describe("a materialised view", () => {
  const numbers = (warehouse: Warehouse): Sql =>
    sql`SELECT id, name FROM ${{ kind: "table", assetKey: `${warehouse.schema}/numbers` }}`;
  async function made(env: Readonly<Record<string, string>> = {}): Promise<[Warehouse, Target]> {
    const warehouse = new Warehouse(server, env);
    await warehouse.sql(`CREATE SCHEMA ${warehouse.schema}; CREATE TABLE {numbers} AS SELECT 1 AS id, 'old' AS name`);
    const target = { ...warehouse.target(shape), key: ["id"] };
    await warehouse.publishView(target, numbers(warehouse));
    return [warehouse, target];
  }

  test("stays as it was when the connection of its refresh is killed before the commit", async () => {
    const [warehouse, target] = await made();
    await warehouse.sql("INSERT INTO {numbers} VALUES (2, 'new')");
    const given = attempt();
    const staged = await warehouse.store.stageView(target, numbers(warehouse), "full", null, given);
    const facts = await staged.facts();
    expect(facts.rowCount).toBe(2n);
    await warehouse.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%${given.runId}'`,
    );
    await expect(staged.publish(entryOf(target, given, facts))).rejects.toMatchObject({
      code: "connection_lost",
      retryable: true,
    });
    await staged.discard();
    expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
    expect(await warehouse.store.findPublished(target, given)).toBeUndefined();
  });

  test("is not refreshed for longer than the statement timeout, nor waited for longer than the lock timeout", async () => {
    const [warehouse, target] = await made({
      DATABASE_STATEMENT_TIMEOUT_SECONDS: "3",
      DATABASE_LOCK_TIMEOUT_SECONDS: "1",
    });
    const slow = sql`SELECT 1 AS id, 'x' AS name FROM (SELECT pg_sleep(60)) AS s`;
    await expect(warehouse.publishView(target, slow)).rejects.toMatchObject({
      code: "statement_timeout",
      retryable: false,
    });
    const holder = await connect(server.url);
    await holder.query(`BEGIN; REFRESH MATERIALIZED VIEW CONCURRENTLY ${warehouse.name()}`);
    await expect(warehouse.publishView(target, numbers(warehouse))).rejects.toMatchObject({
      code: "lock_timeout",
      retryable: true,
    });
    expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
    await holder.query("ROLLBACK");
    await holder.end();
  });

  test("of somebody else is refused with what to do, whether refreshed or defined anew", async () => {
    const [warehouse, target] = await made();
    await warehouse.sql(`CREATE ROLE viewer LOGIN PASSWORD 'viewer-password';
      GRANT USAGE, CREATE ON SCHEMA _dagster_typescript TO viewer;
      GRANT SELECT, INSERT, DELETE, UPDATE ON ALL TABLES IN SCHEMA _dagster_typescript TO viewer;
      GRANT USAGE ON SCHEMA ${warehouse.schema} TO viewer; GRANT SELECT ON {numbers} TO viewer`);
    const viewer = storeOf((url) => {
      url.username = "viewer";
      url.password = "viewer-password";
    });
    const given = attempt();
    const refresh = viewer.stageView(target, numbers(warehouse), "full", null, given);
    await expect(refresh).rejects.toMatchObject({ code: "permission_denied", retryable: false });
    const anew = await viewer.stageView(target, sql`SELECT 2 AS id, 'new' AS name`, "full", null, given);
    await expect(publish(anew, target, given)).rejects.toMatchObject({ code: "permission_denied", retryable: false });
    await anew.discard();
    await viewer.close();
    expect(await warehouse.sql("SELECT * FROM {x}")).toEqual(OLD);
  });
});
