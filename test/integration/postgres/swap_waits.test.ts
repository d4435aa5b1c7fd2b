import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import { attempt } from "../duckdb/warehouse.ts";
import { connect, Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
  await server.sql(`CREATE ROLE leaver; CREATE ROLE joiner;
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`);
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), shop: z.string() };
const row = (id: number): object => ({ id, shop: "a" });

/** Waits until a session of the run waits for a lock; only a hang reaches the deadline. */
async function untilWaiting(runId: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  const question = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE '%${runId}'`;
  while ((await server.sql(question))[0]?.[0] === "0") {
    if (performance.now() > deadline) throw new Error("the publish waits for nobody");
    await wait(20);
  }
}

test("privileges given and taken while a swap waits for a reader count", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, [row(1)]);
  await warehouse.sql("GRANT SELECT ON {x} TO leaver; GRANT SELECT (shop) ON {x} TO leaver");
  const reader = await connect(server.url);
  await reader.query(`BEGIN; SELECT FROM ${warehouse.name()}`);
  const given = attempt();
  const publishing = warehouse.publishQuery(target, sql`SELECT 2 AS id, 'b' AS shop`, given);
  await untilWaiting(given.runId);
  await warehouse.sql(`REVOKE SELECT ON {x} FROM leaver; REVOKE SELECT (shop) ON {x} FROM leaver;
    GRANT SELECT ON {x} TO joiner`);
  await reader.query("COMMIT");
  await reader.end();
  await publishing;
  expect(await warehouse.sql("SELECT id FROM {x}")).toEqual([["2"]]);
  expect(
    await warehouse.sql(`SELECT role, has_table_privilege(role, '{x}', 'SELECT'), has_any_column_privilege(role, '{x}', 'SELECT')
      FROM (VALUES ('joiner'), ('leaver')) AS roles (role)`),
  ).toEqual([
    ["joiner", "true", "true"],
    ["leaver", "false", "false"],
  ]);
});

/** What people make, and a question that one answers when it is there. */
const HANGING: readonly (readonly [name: string, hang: string, show: string])[] = [
  [
    "a trigger",
    "CREATE TRIGGER t BEFORE INSERT ON {x} FOR EACH ROW EXECUTE FUNCTION keep()",
    "SELECT count(*) FROM pg_trigger WHERE tgrelid = '{x}'::regclass",
  ],
  [
    "a check constraint",
    "ALTER TABLE {x} ADD CONSTRAINT pos CHECK (id > 0)",
    "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = '{x}'::regclass",
  ],
  [
    "statistics",
    "CREATE STATISTICS st ON id, shop FROM {x}",
    "SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = '{x}'::regclass",
  ],
  [
    "a publication",
    "CREATE PUBLICATION p FOR TABLE {x} WITH (publish = 'insert')",
    "SELECT count(*) FROM pg_publication_rel WHERE prrelid = '{x}'::regclass",
  ],
  [
    "a row policy",
    "CREATE POLICY p ON {x} USING (id < 5)",
    "SELECT count(*) FROM pg_policy WHERE polrelid = '{x}'::regclass",
  ],
  [
    "a default",
    "ALTER TABLE {x} ALTER id SET DEFAULT 7",
    "SELECT count(*) FROM pg_attrdef WHERE adrelid = '{x}'::regclass",
  ],
  [
    "an index",
    "CREATE INDEX people ON {x} (id)",
    "SELECT count(*) FROM pg_index WHERE indrelid = '{x}'::regclass AND indexrelid <> '{there}'::regclass",
  ],
  ["a comment on an index", "COMMENT ON INDEX {there} IS 'hi'", "SELECT count(obj_description('{there}'::regclass))"],
  [
    "a setting of an index",
    "ALTER INDEX {there} SET (fillfactor = 50)",
    "SELECT count(reloptions) FROM pg_class WHERE oid = '{there}'::regclass",
  ],
  ["a view", "CREATE VIEW {v} AS SELECT * FROM {x}", "SELECT count(*) FROM {v} WHERE id = 2"],
  [
    "a comment",
    "COMMENT ON COLUMN {x}.shop IS 'hello'",
    "SELECT count(*) FROM pg_description WHERE objoid = '{x}'::regclass AND objsubid = 2",
  ],
  ["a grant", "GRANT SELECT ON {x} TO joiner", "SELECT count(*) WHERE has_table_privilege('joiner', '{x}', 'SELECT')"],
  [
    "a grant on a column",
    "GRANT SELECT (shop) ON {x} TO joiner",
    "SELECT count(*) WHERE has_column_privilege('joiner', '{x}', 'shop', 'SELECT')",
  ],
];

test("what a transaction makes that is open when the publish begins stays", async () => {
  const stays = async ([name, hang, show]: (typeof HANGING)[number]): Promise<unknown> => {
    const warehouse = new Warehouse(server);
    const target = warehouse.target(shape);
    await warehouse.publishRows(target, [row(1)]);
    await warehouse.sql("CREATE INDEX there ON {x} (shop)");
    const other = await connect(server.url);
    await other.query("BEGIN");
    await other.query(hang.replaceAll(/\{(\w+)\}/g, (_, table: string) => warehouse.name(table)));
    const given = attempt();
    const publishing = warehouse.publishQuery(target, sql`SELECT 2 AS id, 'b' AS shop`, given);
    await untilWaiting(given.runId);
    await other.query("COMMIT");
    await other.end();
    await publishing;
    return [name, await warehouse.sql("SELECT id FROM {x}"), await warehouse.sql(show)];
  };
  expect(await Promise.all(HANGING.map(stays))).toEqual(HANGING.map(([name]) => [name, [["2"]], [["1"]]]));
});

test("an index that gets another name while a publish waits for it keeps it", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, [row(1)]);
  await warehouse.sql("CREATE INDEX there ON {x} (shop)");
  const other = await connect(server.url);
  await other.query(`BEGIN; ALTER INDEX ${warehouse.name("there")} RENAME TO theirs`);
  const given = attempt();
  const publishing = warehouse.publishQuery(target, sql`SELECT 2 AS id, 'b' AS shop`, given);
  const failing = expect(publishing).rejects.toMatchObject({ code: "transaction_conflict", retryable: true });
  await untilWaiting(given.runId);
  await other.query("COMMIT");
  await other.end();
  await failing;
  await warehouse.publishRows(target, [row(3)]);
  expect(
    await warehouse.sql(
      "SELECT indexrelid::regclass = '{theirs}'::regclass FROM pg_index WHERE indrelid = '{x}'::regclass",
    ),
  ).toEqual([["true"]]);
});

test("a view made while a materialised view waits for its place makes the publish begin again", async () => {
  const warehouse = new Warehouse(server);
  const target = { ...warehouse.target(shape), key: ["id"] };
  await warehouse.publishView(target, sql`SELECT 1 AS id, 'a' AS shop`);
  const reader = await connect(server.url);
  await reader.query(`BEGIN; SELECT FROM ${warehouse.name()}`);
  const given = attempt();
  const anew = sql`SELECT 2 AS id, 'b' AS shop`;
  const publishing = warehouse.publishView(target, anew, given);
  const failing = expect(publishing).rejects.toMatchObject({ code: "transaction_conflict", retryable: true });
  await untilWaiting(given.runId);
  await warehouse.sql("CREATE VIEW {v} AS SELECT * FROM {x}");
  await reader.query("COMMIT");
  await reader.end();
  await failing;
  expect(await warehouse.sql("SELECT id FROM {v}")).toEqual([["1"]]);
  await warehouse.publishView(target, anew);
  expect(await warehouse.sql("SELECT id FROM {v}")).toEqual([["2"]]);
});
