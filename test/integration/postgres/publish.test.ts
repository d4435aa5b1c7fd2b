import { afterAll, beforeAll, expect, test } from "vitest";
import { date, decimal, rowCount, sql, timestamp, z } from "../../../definitions/index.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { attempt, entryOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), name: z.string().nullable() };
const one = [{ id: 1, name: "a" }];

test("the ledger has one line for each publish, made in the same transaction", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  const given = attempt({ rootRunId: "root", runId: "run" });
  const facts = await warehouse.publishRows(target, one, given);
  const ledger = `SELECT run_id, root_run_id, code_version, row_count, content_hash, published_at >= started_at
    FROM _dagster_typescript.ledger WHERE asset_key = '${target.assetKey}'`;
  const line = ["run", "root", "v1", "1", facts.contentHash, "true"];
  expect(await warehouse.sql(ledger)).toEqual([line]);

  // The ledger refuses a line: then the rows are not published either.
  for (const body of ["rows", "query"]) {
    const staged =
      body === "rows"
        ? await warehouse.stageRows(target, [{ id: 2, name: "b" }], given)
        : await warehouse.store.stageQuery(target, sql`SELECT 2 AS id, 'b' AS name`, null, given);
    const broken = { ...entryOf(target, given, await staged.facts()), report: "{ no JSON" };
    await expect(staged.publish(broken)).rejects.toMatchObject({ code: "statement_failed" });
    await staged.discard();
    expect(await warehouse.sql("SELECT id FROM {x}")).toEqual([["1"]]);
    expect(await warehouse.sql(ledger)).toEqual([line]);
  }
});

test("an attempt finds what its root run published with the same code, whatever is in the names", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  const given = attempt({ rootRunId: `'; DROP TABLE x; -- "😀`, codeVersion: "v'1" });
  const { contentHash } = await warehouse.publishRows(target, one, given);
  const find = (change: object): Promise<unknown> =>
    warehouse.store.findPublished(target, attempt({ ...given, ...change }));
  expect(await find({ runId: "another" })).toMatchObject({
    runId: given.runId,
    contentHash,
    rowCount: 1n,
    startedAt: given.startedAt,
  });
  expect(await find({ rootRunId: "other" })).toBeUndefined();
  expect(await find({ codeVersion: "v2" })).toBeUndefined();
});

test("a refused publish leaves table, indexes and ledger as they were, and no staging", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, one);
  await warehouse.sql("CREATE UNIQUE INDEX ON {x} (id)");
  const state = async (): Promise<unknown> => [
    await warehouse.sql("SELECT *, tableoid FROM {x}"),
    await warehouse.sql("SELECT count(*) FROM _dagster_typescript.ledger"),
    await warehouse.sql("SELECT indexdef FROM pg_indexes"),
    await warehouse.stagingTables(),
  ];
  const before = await state();
  const staged = await warehouse.stageRows(target, [{ id: 2, name: "b" }]);
  expect((await staged.check([rowCount({ min: 2 })]))[0]).toMatchObject({ passed: false });
  await staged.discard();
  expect(await state()).toEqual(before);
  // Rows that an index refuses.
  const given = attempt();
  const twice = await warehouse.stageRows(
    target,
    [
      { id: 5, name: "b" },
      { id: 5, name: "c" },
    ],
    given,
  );
  const facts = await twice.facts();
  await expect(twice.publish(entryOf(target, given, facts))).rejects.toMatchObject({ code: "contract_broken" });
  await twice.discard();
  expect(await state()).toEqual(before);
});

test.each([
  ["a column too many", sql`SELECT 1 AS id, 'x' AS name, 2 AS more`, /"more"/],
  ["a column too few", sql`SELECT 1 AS id`, /"name" is missing/],
  ["a wrong type", sql`SELECT 1::bigint AS id, 'x' AS name`, /bigint, expected integer/],
  ["a column twice", sql`SELECT 1 AS id, 'x' AS name, 'y' AS name`, /twice/],
  ["another case", sql`SELECT 1 AS "ID", 'x' AS name`, /"ID"/],
  ["no query", sql`CREATE TABLE public.evil AS SELECT 1`, /syntax/],
  ["two statements", sql`SELECT 1 AS id, 'x' AS name; DROP TABLE evil`, /syntax/],
  ["a statement in disguise", sql`SELECT 1 AS id, 'x' AS name) AS q; CREATE TABLE public.evil (SELECT 1`, /./],
  [
    "rows deleted on the way",
    sql`WITH d AS (DELETE FROM _dagster_typescript.ledger RETURNING 1) SELECT 1 AS id, 'x' AS name FROM d`,
    /top level/,
  ],
])("a query that yields %s is refused before it runs", async (_name, query, message) => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, one);
  await expect(warehouse.publishQuery(target, query)).rejects.toThrow(message);
  expect(await warehouse.sql("SELECT id FROM {x}")).toEqual([["1"]]);
  expect(await warehouse.sql("SELECT 1 FROM pg_tables WHERE tablename = 'evil'")).toEqual([]);
});

test("every kind of bound value reaches a query as it is", async () => {
  const warehouse = new Warehouse(server);
  const kinds = {
    t: z.string(),
    n: z.int(),
    b: z.boolean(),
    f: z.number(),
    at: timestamp(),
    nothing: z.string().nullable(),
  };
  const at = new Date("1969-12-31T23:59:59.123Z");
  await warehouse.publishQuery(
    warehouse.target(kinds),
    sql`SELECT ${"o'; -- \\"} AS t, ${2n ** 62n} AS n, ${true} AS b, ${0.1} AS f, ${at} AS "at", ${null} AS nothing LIMIT ${1}`,
  );
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual([
    ["o'; -- \\", String(2n ** 62n), "true", "0.1", "1969-12-31 23:59:59.123+00", null],
  ]);
});

test("a bound text can be a day, an instant or money next to a column that is", async () => {
  const warehouse = new Warehouse(server);
  const kinds = { day: date(), at: timestamp(), price: decimal(12, 2) };
  const target = warehouse.target(kinds);
  const at = new Date("2024-01-01T00:00:00Z");
  await warehouse.publishRows(target, [{ day: "2024-01-01", at, price: "1.00" }]);
  const query = sql`SELECT * FROM ${{ kind: "table", assetKey: target.assetKey }} WHERE day = ${"2024-01-01"}
    AND "at" = ${"2024-01-01T00:00:00Z"} AND price = ${"1.00"} AND day = ${at} AND "at" = ${at} AND price = ${1}`;
  expect((await warehouse.publishQuery(target, query)).rowCount).toBe(1n);
});

test("a text keeps the collation of the database, whatever the query says", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishQuery(warehouse.target(shape), sql`SELECT 1 AS id, 'a' COLLATE "C" AS name`);
  expect(
    await warehouse.sql(
      "SELECT attcollation::regcollation::text FROM pg_attribute WHERE attrelid = '{x}'::regclass AND attname = 'name'",
    ),
  ).toEqual([['"default"']]);
});

test("a key with NULL is a key as any other to a merge", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(
    { id: z.int32().nullable(), name: z.string().nullable(), v: z.int32() },
    { kind: "merge", key: ["id", "name"] },
  );
  await warehouse.publishRows(target, [
    { id: 1, name: null, v: 1 },
    { id: null, name: null, v: 2 },
    { id: 1, name: "a", v: 3 },
  ]);
  await warehouse.publishRows(target, [
    { id: 1, name: null, v: 10 },
    { id: null, name: null, v: 20 },
  ]);
  expect(await warehouse.sql("SELECT v FROM {x} ORDER BY v")).toEqual([["3"], ["10"], ["20"]]);
});

test("a foreign key's rows stay when the rows that they refer to are replaced, and go when those go", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, [...one, { id: 2, name: "b" }]);
  await warehouse.sql(`ALTER TABLE {x} ADD UNIQUE (id);
    CREATE TABLE {strict} (x_id integer REFERENCES {x} (id)); INSERT INTO {strict} VALUES (1)`);
  await warehouse.publishRows(target, [
    { id: 1, name: "changed" },
    { id: 3, name: "new" },
  ]);
  expect(await warehouse.sql("SELECT id, name FROM {x} ORDER BY id")).toEqual([
    ["1", "changed"],
    ["3", "new"],
  ]);
  const given = attempt();
  const staged = await warehouse.stageRows(target, [{ id: 3, name: "alone" }], given);
  const facts = await staged.facts();
  await expect(staged.publish(entryOf(target, given, facts))).rejects.toThrow(/foreign key/);
  await staged.discard();
  expect(await warehouse.sql("SELECT count(*) FROM {x}")).toEqual([["2"]]);
});

test.each<WriteStrategy>([
  { kind: "replacePartitions", partitions: { kind: "keys", column: "shop", keys: ["a"] } },
  {
    kind: "replacePartitions",
    partitions: { kind: "window", column: "at", start: new Date("2017-01-01Z"), end: new Date("2017-01-02Z") },
  },
  { kind: "merge", key: ["shop"] },
])("under a foreign key, $kind changes no row but those that it replaces", async (strategy) => {
  const warehouse = new Warehouse(server);
  const columns = { id: z.int32(), shop: z.string(), at: timestamp(), v: z.number() };
  const [day, next] = [new Date("2017-01-01T05:00:00Z"), new Date("2017-01-02T05:00:00Z")];
  const rows = [
    { id: 1, shop: "a", at: day, v: 0 },
    { id: 2, shop: "b", at: next, v: 2 },
  ];
  await warehouse.publishRows(warehouse.target(columns), rows);
  await warehouse.sql(`ALTER TABLE {x} ADD PRIMARY KEY (id);
    CREATE TABLE {y} (id integer REFERENCES {x} (id)); INSERT INTO {y} VALUES (1), (2)`);
  const target = warehouse.target(columns, strategy);
  const given = attempt();
  // The second one has the key of a row that stays.
  const taken = [rows[0] as object, { id: 2, shop: strategy.kind === "merge" ? "c" : "a", at: day, v: 20 }];
  const staged = await warehouse.stageRows(target, taken, given);
  await expect(staged.publish(entryOf(target, given, await staged.facts()))).rejects.toThrow(/duplicate key/);
  await staged.discard();
  const all = "SELECT id, shop, v FROM {x} ORDER BY id";
  expect(await warehouse.sql(all)).toEqual([["1", "a", "0"], ["2", "b", "2"]]); // prettier-ignore
  // What differs by its sign alone is another value.
  await warehouse.publishRows(target, [{ ...rows[0], v: -0 }, { id: 3, shop: "a", at: day, v: 3 }].slice(0, strategy.kind === "merge" ? 1 : 2)); // prettier-ignore
  const wanted = [["1", "a", "-0"], ["2", "b", "2"], ["3", "a", "3"]]; // prettier-ignore
  expect(await warehouse.sql(all)).toEqual(strategy.kind === "merge" ? wanted.slice(0, 2) : wanted);
});

test("rows that refer to others of their table are replaced by rows that do", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target({ id: z.int32(), parent: z.int32().nullable(), code: z.string() });
  await warehouse.publishRows(target, [
    { id: 1, parent: null, code: "a" },
    { id: 2, parent: 1, code: "b" },
  ]);
  await warehouse.sql(
    "ALTER TABLE {x} ADD PRIMARY KEY (id), ADD UNIQUE (code), ADD FOREIGN KEY (parent) REFERENCES {x}",
  );
  // The third one has the code of a row that goes.
  const next = [
    { id: 2, parent: 3, code: "b" },
    { id: 3, parent: null, code: "a" },
  ];
  await warehouse.publishRows(target, next);
  const all = "SELECT id, parent, code FROM {x} ORDER BY id";
  expect(await warehouse.sql(all)).toEqual([["2", "3", "b"], ["3", null, "a"]]); // prettier-ignore
  const given = attempt();
  const staged = await warehouse.stageRows(target, [{ id: 2, parent: 9, code: "b" }], given);
  await expect(staged.publish(entryOf(target, given, await staged.facts()))).rejects.toThrow(/foreign key/);
  await staged.discard();
  expect(await warehouse.sql(all)).toEqual([["2", "3", "b"], ["3", null, "a"]]); // prettier-ignore
});

test("rows that a forced policy would hide are never left behind silently", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, [...one, { id: 2, name: "hidden" }]);
  await warehouse.sql(`CREATE ROLE owner LOGIN PASSWORD 'owner-password' IN ROLE pg_read_all_data;
    GRANT USAGE, CREATE ON SCHEMA _dagster_typescript, ${warehouse.schema} TO owner;
    GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA _dagster_typescript TO owner;
    ALTER TABLE {x} OWNER TO owner; CREATE VIEW {v} AS SELECT id FROM {x};
    ALTER TABLE {x} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON {x} USING (name <> 'hidden')`);
  const url = new URL(server.url);
  url.username = "owner";
  url.password = "owner-password";
  const store = warehouse.another({ DATABASE_URL: url.href });
  const given = attempt();
  const staged = await store.stageQuery(target, sql`SELECT 3 AS id, 'new' AS name`, null, given);
  const facts = await staged.facts();
  await expect(staged.publish(entryOf(target, given, facts))).rejects.toMatchObject({ code: "permission_denied" });
  await staged.discard();
  await store.close();
  expect(await warehouse.sql("SELECT id FROM {x} ORDER BY id")).toEqual([["1"], ["2"]]);
});
