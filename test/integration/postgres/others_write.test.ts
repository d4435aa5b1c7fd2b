import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { attempt } from "../duckdb/warehouse.ts";
import { connect, Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

// People write rows of an asset's table, and change it, while a publish is under way.

/** After the publish has come to wait for the other transaction. */
const COMMIT_AFTER_MS = 500;
const SHAPE = { id: z.int32(), shop: z.string() };
const MERGE: WriteStrategy = { kind: "merge", key: ["id"] };
const REPLACE: WriteStrategy = { kind: "replace" };
const REFERRED = "ALTER TABLE {x} ADD UNIQUE (id); CREATE TABLE {y} (id int REFERENCES {x}(id))";
const VIEWED = "CREATE VIEW {v} AS SELECT * FROM {x}";
const UNIQUE = "CREATE UNIQUE INDEX ON {x} (id); CREATE VIEW {v} AS SELECT * FROM {x}";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

/** Does it while another transaction has done something, which it commits after a while. */
async function beside(warehouse: Warehouse, others: string, act: () => Promise<unknown>): Promise<void> {
  const other = await connect(server.url);
  await other.query(`BEGIN; ${others.replaceAll("{x}", warehouse.name())}`);
  const committed = wait(COMMIT_AFTER_MS).then(() => other.query("COMMIT"));
  try {
    await act();
  } finally {
    await committed;
    await other.end();
  }
}

test.each<[name: string, hang: string, strategy: WriteStrategy, others: string, rows: (string | null)[][]]>([
  ["deletes a row that a foreign key may refer to", REFERRED, REPLACE, "DELETE FROM {x} WHERE id = 2", [["1", "A"], ["2", "B"]]], // prettier-ignore
  [
    "gives such a row another key",
    REFERRED,
    REPLACE,
    "UPDATE {x} SET id = 3 WHERE id = 2",
    [
      ["1", "A"],
      ["2", "B"],
    ],
  ],
  ["deletes such a row of a merge", REFERRED, MERGE, "DELETE FROM {x} WHERE id = 2", [["1", "A"], ["2", "B"], ["9", "i"]]], // prettier-ignore
  ["changes a row and inserts one under a view", VIEWED, REPLACE, "UPDATE {x} SET shop = 'o' WHERE id = 2; INSERT INTO {x} VALUES (5, 'n')", [["1", "A"], ["2", "B"]]], // prettier-ignore
  ["inserts the key of a staged row", UNIQUE, MERGE, "DELETE FROM {x} WHERE id = 2; INSERT INTO {x} VALUES (2, 'o')", [["1", "A"], ["2", "B"], ["9", "i"]]], // prettier-ignore
])(
  "what another transaction does is before the publish, which has all of its rows: it %s",
  async (_name, hang, strategy, others, rows) => {
    const warehouse = new Warehouse(server);
    await warehouse.publishRows(warehouse.target(SHAPE), [{ id: 1, shop: "a" }, { id: 2, shop: "b" }, { id: 9, shop: "i" }]); // prettier-ignore
    await warehouse.sql(hang);
    await beside(
      warehouse,
      others,
      () =>
    warehouse.publishRows(warehouse.target(SHAPE, strategy), [{ id: 1, shop: "A" }, { id: 2, shop: "B" }]), // prettier-ignore
    );
    expect(await warehouse.sql("SELECT id, shop FROM {x} ORDER BY id, shop")).toEqual(rows);
  },
);

test("a trigger that refuses rows under a foreign key, or changes them, ends no publish and is asked once", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(warehouse.target(SHAPE), [{ id: 1, shop: "a" }]);
  await warehouse.sql(`${REFERRED}; CREATE TABLE {log} (id int);
    CREATE FUNCTION ${warehouse.schema}.keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
      INSERT INTO {log} VALUES (NEW.id);
      IF NEW.id = 3 THEN RETURN NULL; END IF;
      NEW.shop = NEW.shop || '!'; RETURN NEW;
    END$$;
    CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON {x} FOR EACH ROW EXECUTE FUNCTION ${warehouse.schema}.keep()`);
  await warehouse.publishRows(warehouse.target(SHAPE), [{ id: 1, shop: "A" }, { id: 2, shop: "B" }]); // prettier-ignore
  expect(await warehouse.sql("SELECT id, shop FROM {x} ORDER BY id")).toEqual([["1", "A!"], ["2", "B!"]]); // prettier-ignore
  expect(await warehouse.sql("SELECT id FROM {log} ORDER BY id")).toEqual([["1"], ["2"]]);
  await warehouse.publishRows(warehouse.target(SHAPE), [{ id: 1, shop: "A" }, { id: 3, shop: "C" }]); // prettier-ignore
  expect(await warehouse.sql("SELECT id, shop FROM {x} ORDER BY id")).toEqual([["1", "A!"]]);
});

test("a key that an append has in common with what another transaction inserts is refused", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(warehouse.target(SHAPE), [{ id: 1, shop: "a" }]);
  await warehouse.sql(UNIQUE);
  await beside(warehouse, "INSERT INTO {x} VALUES (2, 'o')", () =>
    expect(
      warehouse.publishRows(warehouse.target(SHAPE, { kind: "append" }), [{ id: 2, shop: "B" }]),
    ).rejects.toMatchObject({ code: "contract_broken" }),
  );
});

test("a partition that another transaction attaches for the same time is worth another try, which fills it", async () => {
  const warehouse = new Warehouse(server);
  const target = (strategy: WriteStrategy): ReturnType<Warehouse["target"]> => ({
    ...warehouse.target({ id: z.int32(), at: timestamp() }, strategy),
    storage: { postgres: { partitionBy: { column: "at", every: "month" } } },
  });
  await warehouse.publishRows(target(REPLACE), [{ id: 1, at: new Date("2024-01-15T00:00:00Z") }]);
  await warehouse.sql("CREATE TABLE {mine} (LIKE {x})");
  const append = (): Promise<unknown> =>
    warehouse.publishRows(target({ kind: "append" }), [{ id: 2, at: new Date("2024-07-20T00:00:00Z") }]);
  const attach = `ALTER TABLE {x} ATTACH PARTITION ${warehouse.name("mine")} FOR VALUES FROM ('2024-07-01') TO ('2024-08-01')`;
  await beside(warehouse, attach, () =>
    expect(append()).rejects.toMatchObject({ code: "transaction_conflict", retryable: true }),
  );
  await append();
  expect(await warehouse.sql("SELECT id FROM {mine}")).toEqual([["2"]]);
});

test("an index that was left unfinished is what keeps a materialised view, and the fault says so", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target({ id: z.int32() });
  await warehouse.publishView({ ...target, key: ["id"] }, sql`SELECT 1 AS id`);
  const other = await connect(server.url);
  await expect(
    other.query(`CREATE UNIQUE INDEX CONCURRENTLY left_there ON ${warehouse.name()} ((1 / (id - 1)))`),
  ).rejects.toThrow(/division by zero/);
  await other.end();
  const redefined = warehouse.publishView({ ...target, key: ["id"] }, sql`SELECT 2 AS id`);
  await expect(redefined).rejects.toThrow(/index left_there is being made just now, or was left unfinished/);
});

test("a session that the server ends while no statement runs says by which limit", async () => {
  const url = new URL(server.url);
  url.searchParams.set("options", "-c idle_in_transaction_session_timeout=300");
  const warehouse = new Warehouse(server, { DATABASE_URL: url.href });
  const staged = await warehouse.store.stageQuery(warehouse.target({ id: z.int32() }), sql`SELECT 1 AS id`, null, attempt()); // prettier-ignore
  await wait(700);
  const facts = staged.facts();
  await expect(facts).rejects.toMatchObject({ code: "connection_lost", retryable: true });
  await expect(facts).rejects.toThrow(/raise idle_in_transaction_session_timeout/);
  await staged.discard();
});

test("a server without a connection left is worth another try, and is not taken for one that is down", async () => {
  const warehouse = new Warehouse(server);
  const role = `r_${warehouse.schema}`;
  await warehouse.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'p' CONNECTION LIMIT 0`);
  const url = new URL(server.url);
  [url.username, url.password] = [role, "p"];
  const store = warehouse.another({ DATABASE_URL: url.href });
  const staging = store.stageQuery(warehouse.target({ id: z.int32() }), sql`SELECT 1 AS id`, null, attempt());
  await expect(staging).rejects.toMatchObject({ code: "postgres_unreachable", retryable: true });
  await expect(staging).rejects.toThrow(/has no connection left/);
  await store.close();
});
