import { expect, test } from "vitest";
import { DuckDBInstance } from "@duckdb/node-api";
import { date, decimal, rowCount, sql, timestamp, z } from "../../../definitions/index.ts";
import { Client } from "../../../resources/duckdb/client.ts";
import { WarehouseStaged } from "../../../resources/duckdb/publish.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, entryOf, publish, targetOf, Warehouse } from "./warehouse.ts";

const target = targetOf({ id: z.int32(), name: z.string().nullable() });
const self = { kind: "table", assetKey: "a/x" } as const;
const ALL = "SELECT * FROM a.x ORDER BY ALL";

test("views, indexes and what people wrote about columns and views survive a publish; descriptions win over it", async () => {
  const warehouse = new Warehouse();
  const described = targetOf({ id: z.int32().describe("From the contract"), name: z.string() });
  await warehouse.publishRows(described, [{ id: 1, name: "a" }]);
  await warehouse.sql(`
    CREATE VIEW a.v AS SELECT count(*) AS n, max(id) AS top FROM a.x;
    COMMENT ON VIEW a.v IS 'a view';
    CREATE UNIQUE INDEX one ON a.x (id);
    CREATE INDEX "two ""; x" ON a.x (name, id);
    COMMENT ON COLUMN a.x.name IS 'it''s written by "people"';
    COMMENT ON COLUMN a.x.id IS 'by people too'`);
  const indexes = await warehouse.sql("SELECT index_name, is_unique, sql FROM duckdb_indexes() ORDER BY 1");
  expect(indexes).toHaveLength(2);

  await warehouse.publishRows(described, [
    { id: 2, name: "b" },
    { id: 3, name: "c" },
  ]);
  await warehouse.publishQuery(described, sql`SELECT id + 1 AS id, name FROM ${self}`);
  expect(await warehouse.sql("SELECT * FROM a.v")).toEqual([["2", "4"]]);
  expect(await warehouse.sql("SELECT comment FROM duckdb_views() WHERE view_name = 'v'")).toEqual([["a view"]]);
  expect(await warehouse.sql("SELECT index_name, is_unique, sql FROM duckdb_indexes() ORDER BY 1")).toEqual(indexes);
  expect(
    await warehouse.sql("SELECT comment FROM duckdb_columns() WHERE schema_name = 'a' AND table_name = 'x'"),
  ).toEqual([["From the contract"], [`it's written by "people"`]]);
});

test.each<Target["strategy"]>([
  { kind: "append" },
  { kind: "merge", key: ["id"] },
  { kind: "replacePartitions", partitions: { kind: "keys", column: "name", keys: ["b", "c"] } },
])("views, indexes and what people wrote survive by $kind, too", async (strategy) => {
  const warehouse = new Warehouse();
  const described = targetOf({ id: z.int32().describe("From the contract"), name: z.string() });
  await warehouse.publishRows(described, [{ id: 1, name: "a" }]);
  await warehouse.sql(`
    CREATE VIEW a.v AS SELECT count(*) AS n, max(id) AS top FROM a.x;
    COMMENT ON VIEW a.v IS 'a view';
    CREATE INDEX one ON a.x (name, id);
    COMMENT ON COLUMN a.x.name IS 'by people'`);
  const indexes = await warehouse.sql("SELECT index_name, is_unique, sql FROM duckdb_indexes()");
  await warehouse.publishRows({ ...described, strategy }, [
    { id: 2, name: "b" },
    { id: 3, name: "c" },
  ]);
  expect(await warehouse.sql("SELECT * FROM a.v")).toEqual([["3", "3"]]);
  expect(await warehouse.sql("SELECT comment FROM duckdb_views() WHERE view_name = 'v'")).toEqual([["a view"]]);
  expect(await warehouse.sql("SELECT index_name, is_unique, sql FROM duckdb_indexes()")).toEqual(indexes);
  expect(
    await warehouse.sql("SELECT comment FROM duckdb_columns() WHERE schema_name = 'a' AND table_name = 'x'"),
  ).toEqual([["From the contract"], ["by people"]]);
});

test("rows that an index refuses are not published, and the table and its index stay", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await warehouse.sql("CREATE UNIQUE INDEX one ON a.x (id)");
  const twice = [
    { id: 5, name: "b" },
    { id: 5, name: "c" },
  ];
  await expect(warehouse.publishRows(target, twice)).rejects.toMatchObject({ code: "statement_failed" });
  expect(await warehouse.sql(ALL)).toEqual([["1", "a"]]);
  expect(await warehouse.sql("SELECT index_name FROM duckdb_indexes()")).toEqual([["one"]]);
});

test("under a unique index that people made, partitions and merges bring their keys again, and doubled ones are refused", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [1, 2, 3].map((id) => ({ id, name: "a" }))); // prettier-ignore
  await warehouse.sql("CREATE UNIQUE INDEX one ON a.x (id)");
  const partitions = { kind: "keys", column: "name", keys: ["a"] } as const;
  const ofPartition: Target = { ...target, strategy: { kind: "replacePartitions", partitions } };
  await warehouse.publishRows(ofPartition, [2, 3, 4].map((id) => ({ id, name: "a" }))); // prettier-ignore
  await warehouse.store.close();
  const merging: Target = { ...target, strategy: { kind: "merge", key: ["id"] } };
  await warehouse.publishRows(merging, [{ id: 4, name: "b" }]);
  await warehouse.store.close();
  await expect(warehouse.publishRows(ofPartition, [{ id: 4, name: "a" }])).rejects.toThrow(/Duplicate key "id: 4"/);
  expect(await warehouse.sql(ALL)).toEqual([["2", "a"], ["3", "a"], ["4", "b"]]); // prettier-ignore
  expect(await warehouse.sql("SELECT id FROM a.x WHERE id = 4")).toEqual([["4"]]);
});

/** What people put on a table, and what of it is there. */
const CONSTRAINED = { id: z.int32(), "we ird": z.string().nullable(), n: z.int32() };
const PEOPLE_PUT = `
  CREATE TABLE a.kinds (n INTEGER PRIMARY KEY);
  INSERT INTO a.kinds VALUES (1), (2);
  DROP TABLE a.x;
  CREATE TABLE a.x (id INTEGER PRIMARY KEY, "we ird" VARCHAR DEFAULT 'it''s ' || 1 UNIQUE,
    n INTEGER NOT NULL REFERENCES a.kinds (n), CHECK (id < 100 AND "we ird" <> 'no'));
  CREATE INDEX people ON a.x (n, id);
  COMMENT ON INDEX a.people IS 'it''s for the report'`;
const whatPeoplePut = async (warehouse: Warehouse): Promise<unknown> => [
  await warehouse.sql("SELECT constraint_text FROM duckdb_constraints() WHERE table_name = 'x' ORDER BY 1"),
  await warehouse.sql("SELECT column_name, column_default FROM duckdb_columns() WHERE table_name = 'x'"),
  await warehouse.sql("SELECT index_name, comment, sql FROM duckdb_indexes()"),
];

test.each<Target["strategy"]>([
  { kind: "append" },
  { kind: "merge", key: ["id"] },
  { kind: "replacePartitions", partitions: { kind: "keys", column: "n", keys: ["2"] } },
])("constraints, defaults and comments of indexes survive by $kind, too", async (strategy) => {
  const warehouse = new Warehouse();
  const to = { ...targetOf(CONSTRAINED), strategy };
  await warehouse.publishRows(targetOf(CONSTRAINED), []);
  await warehouse.sql(PEOPLE_PUT);
  const before = await whatPeoplePut(warehouse);
  await warehouse.publishRows(to, [{ id: 1, "we ird": "a", n: 2 }]);
  await expect(warehouse.publishRows(to, [{ id: 500, "we ird": "b", n: 2 }])).rejects.toThrow(/Constraint Error/);
  await warehouse.store.close();
  // Of a strategy that brings keys again, the row of the first run.
  const id = strategy.kind === "append" ? 2 : 1;
  await warehouse.publishRows(to, [{ id, "we ird": "c", n: 2 }]);
  expect(await whatPeoplePut(warehouse)).toEqual(before);
  expect(await warehouse.sql(ALL)).toEqual([...(id === 2 ? [["1", "a", "2"]] : []), [String(id), "c", "2"]]);
});

test("constraints, defaults and comments of indexes survive a replace, and rows that break one are not published", async () => {
  const warehouse = new Warehouse();
  const shape = CONSTRAINED;
  await warehouse.publishRows(targetOf(shape), [{ id: 1, "we ird": "a", n: 1 }]);
  await warehouse.sql(PEOPLE_PUT);
  const put = (): Promise<unknown> => whatPeoplePut(warehouse);
  const before = await put();
  const good = { id: 2, "we ird": "b", n: 2 };
  await warehouse.publishRows(targetOf(shape), [good, { id: 3, "we ird": null, n: 1 }]);
  expect(await put()).toEqual(before);
  await warehouse.publishQuery(targetOf(shape), sql`SELECT 4::INT AS id, 'c' AS "we ird", 1::INT AS n`);
  expect(await put()).toEqual(before);
  for (const bad of [
    { id: 2 },
    { id: 5 },
    { id: 500, "we ird": "e" },
    { id: 5, "we ird": "no" },
    { id: 5, "we ird": "f", n: 9 },
  ])
    await expect(warehouse.publishRows(targetOf(shape), [good, { ...good, ...bad }])).rejects.toMatchObject({
      code: "statement_failed",
      message: expect.stringContaining("Constraint Error") as string,
    });
  expect(await put()).toEqual(before);
  const less = { id: shape.id, n: shape.n };
  await expect(warehouse.publishRows(targetOf(less), [{ id: 6, n: 1 }])).rejects.toThrow(/we ird/);
  expect(await put()).toEqual(before);
  expect(await warehouse.sql(`INSERT INTO a.x (id, n) VALUES (7, 1); ${ALL}`)).toEqual([
    ["4", "c", "1"],
    ["7", "it's 1", "1"],
  ]);
});

test("foreign keys to tables of any name survive a replace, and still refuse rows", async () => {
  const warehouse = new Warehouse();
  const names = ["we ird", `qu"ote's`, "do.t", "Été 🎈", "select", "Big", "k(n)); DROP TABLE a.big; --"];
  const shape = Object.fromEntries(names.map((_, index) => [`c${index}`, z.int32()]));
  const q = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  await warehouse.sql(`CREATE SCHEMA a;
    ${names.map((name) => `CREATE TABLE a.${q(name)} (${q(name)} INTEGER PRIMARY KEY); INSERT INTO a.${q(name)} VALUES (1), (2)`).join(";")};
    CREATE TABLE a.x (${names.map((name, index) => `c${index} INTEGER NOT NULL REFERENCES a.${q(name)} (${q(name)})`).join(", ")})`);
  const keys = (): Promise<unknown> =>
    warehouse.sql(`SELECT constraint_column_names, referenced_table, referenced_column_names FROM duckdb_constraints()
      WHERE table_name = 'x' AND constraint_type = 'FOREIGN KEY' ORDER BY 1`);
  const before = await keys();
  const row = (value: number): object => Object.fromEntries(names.map((_, index) => [`c${index}`, value]));
  await warehouse.publishRows(targetOf(shape), [row(2)]);
  expect(await keys()).toEqual(before);
  for (const [index] of names.entries())
    await expect(warehouse.publishRows(targetOf(shape), [{ ...row(2), [`c${index}`]: 3 }])).rejects.toThrow(
      /foreign key/,
    );
  expect(await warehouse.sql(ALL)).toEqual([names.map(() => "2")]);
});

test("a view in the place of the table is never dropped", async () => {
  const warehouse = new Warehouse();
  await warehouse.sql("CREATE SCHEMA a; CREATE VIEW a.x AS SELECT 7 AS id");
  await expect(warehouse.publishRows(target, [{ id: 1, name: "a" }])).rejects.toThrow(/View/);
  expect(await warehouse.sql(ALL)).toEqual([["7"]]);
});

test("a contract that changed its columns replaces the table", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await warehouse.publishRows(targetOf({ other: z.boolean() }), [{ other: true }]);
  expect(await warehouse.sql(ALL)).toEqual([["true"]]);
});

test("the ledger has one line for each publish, made in the same transaction", async () => {
  const warehouse = new Warehouse();
  const given = attempt({ rootRunId: "root", runId: "run" });
  const facts = await warehouse.publishRows(target, [{ id: 1, name: null }], given);
  expect(
    await warehouse.sql(
      "SELECT asset_key, run_id, root_run_id, code_version, row_count, content_hash, published_at >= started_at FROM _dagster_typescript.ledger",
    ),
  ).toEqual([["a/x", "run", "root", "v1", "1", facts.contentHash, "true"]]);

  // The ledger refuses a line: then the rows are not published either.
  const writer = await warehouse.store.stageRows(target, given);
  await writer.append([{ id: 2, name: "b" }]);
  const staged = await writer.finish();
  const broken = { ...entryOf(target, given, await staged.facts()), report: "{ no JSON" };
  await expect(staged.publish(broken)).rejects.toMatchObject({ code: "statement_failed" });
  await staged.discard();
  expect(await warehouse.sql(ALL)).toEqual([["1", null]]);
  expect(await warehouse.sql("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([["1"]]);
});

test("an attempt finds what its root run published with the same code, whatever is in the names", async () => {
  const warehouse = new Warehouse();
  const rootRunId = `'; DROP TABLE x; -- "😀`;
  const given = attempt({ rootRunId, codeVersion: "v'1" });
  const { contentHash } = await warehouse.publishRows(target, [{ id: 1, name: null }], given);
  const find = (change: object): Promise<unknown> =>
    warehouse.store.findPublished(target, attempt({ ...given, ...change }));
  expect(await find({ runId: "another" })).toMatchObject({ runId: given.runId, contentHash, rowCount: 1n });
  expect(await find({ rootRunId: "other" })).toBeUndefined();
  expect(await find({ codeVersion: "v2" })).toBeUndefined();
  expect(await warehouse.store.findPublished(targetOf({ id: z.int32() }, "a/other"), given)).toBeUndefined();
});

test("nothing is found in a warehouse that has no ledger, or none of ours", async () => {
  const warehouse = new Warehouse();
  expect(await warehouse.store.findPublished(target, attempt())).toBeUndefined();
  await warehouse.sql("CREATE TABLE ledger AS SELECT 1 AS x");
  expect(await warehouse.store.findPublished(target, attempt())).toBeUndefined();
});

test.each(["rows", "query"])(
  "a refused %s publish leaves table, indexes, comments and ledger as they were",
  async (body) => {
    const warehouse = new Warehouse();
    await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
    await warehouse.sql("CREATE INDEX one ON a.x (id)");
    const state = async (): Promise<unknown> => [
      await warehouse.sql(ALL),
      await warehouse.sql("SELECT table_oid, comment FROM duckdb_tables() ORDER BY 1"),
      await warehouse.sql("SELECT * FROM _dagster_typescript.ledger"),
      await warehouse.sql("SELECT sql FROM duckdb_indexes()"),
    ];
    const before = await state();
    const given = attempt();
    const stage = async () => {
      if (body === "query")
        return await warehouse.store.stageQuery(target, sql`SELECT 2::INT AS id, 'b' AS name`, null, given);
      const writer = await warehouse.store.stageRows(target, given);
      await writer.append([{ id: 2, name: "b" }]);
      return await writer.finish();
    };
    const staged = await stage();
    expect((await staged.check([rowCount({ min: 2 })]))[0]).toMatchObject({ passed: false });
    await staged.discard();
    expect(await state()).toEqual(before);
  },
);

test("rows with NULL in a column that is never null are refused by a query and a copy alike", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await expect(warehouse.publishQuery(target, sql`SELECT NULL::INT AS id, 'x' AS name`)).rejects.toThrow(/NOT NULL/);
  expect(await warehouse.sql(ALL)).toEqual([["1", "a"]]);
});

test.each([
  ["a column too many", sql`SELECT 1::INT AS id, 'x' AS name, 2 AS more`, /"more"/],
  ["a column too few", sql`SELECT 1::INT AS id`, /"name" is missing/],
  ["a wrong type", sql`SELECT 1::BIGINT AS id, 'x' AS name`, /BIGINT, expected INTEGER/],
  ["a column twice", sql`SELECT 1::INT AS id, 'x' AS name, 'y' AS name`, /twice/],
  ["another case", sql`SELECT 1::INT AS ID, 'x' AS name`, /"ID"/],
  ["no query", sql`CREATE TABLE evil AS SELECT 1`, /SELECT/],
  ["two statements", sql`SELECT 1::INT AS id, 'x' AS name; DROP TABLE a.x`, /./],
])("a query that yields %s is refused before it runs", async (_name, query, message) => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, [{ id: 1, name: "a" }]);
  await expect(warehouse.publishQuery(target, query)).rejects.toThrow(message);
  expect(await warehouse.sql(ALL)).toEqual([["1", "a"]]);
  expect(await warehouse.sql("SELECT table_name FROM duckdb_tables() WHERE table_name = 'evil'")).toEqual([]);
});

test("columns are matched by name, not by place; semicolons and comments at the end do no harm", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishQuery(target, sql`SELECT 'x' AS name, 1::INT AS id -- done`);
  await warehouse.publishQuery(
    target,
    sql`SELECT 'x' AS name, ${5}::INT AS id ; ;
  `,
  );
  expect(await warehouse.sql(ALL)).toEqual([["5", "x"]]);
});

test("every kind of bound value reaches a query as it is", async () => {
  const warehouse = new Warehouse();
  const shape = {
    t: z.string(),
    n: z.int(),
    b: z.boolean(),
    f: z.number(),
    at: z.string(),
    nothing: z.string().nullable(),
  };
  const at = new Date("1969-12-31T23:59:59.123Z");
  await warehouse.publishQuery(
    targetOf(shape),
    sql`SELECT ${"o'; --\0"}::VARCHAR AS t, ${2n ** 62n} AS n, ${true} AS b, ${0.1} AS f, CAST(${at} AS VARCHAR) AS "at", ${null}::VARCHAR AS nothing LIMIT ${1}`,
  );
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([
    ["o'; --\0", String(2n ** 62n), "true", "0.1", "1969-12-31 23:59:59.123+00", null],
  ]);
});

test("a bound text whose type nothing tells is refused with what to write", async () => {
  const warehouse = new Warehouse();
  await expect(warehouse.publishQuery(targetOf({ t: z.string() }), sql`SELECT ${"x"} AS t`)).rejects.toThrow(/CAST\(/);
  await warehouse.publishQuery(targetOf({ t: z.string() }), sql`SELECT CAST(${"x"} AS VARCHAR) AS t`);
  expect(await warehouse.sql("SELECT t FROM a.x")).toEqual([["x"]]);
});

test("a bound text can be a day, an instant or money next to a column that is", async () => {
  const warehouse = new Warehouse();
  const shape = { day: date(), at: timestamp(), price: decimal(12, 2) };
  const at = new Date("2024-01-01T00:00:00Z");
  await warehouse.publishRows(targetOf(shape), [{ day: "2024-01-01", at, price: "1.00" }]);
  const query = sql`SELECT * FROM ${self} WHERE day = ${"2024-01-01"} AND "at" = ${"2024-01-01T00:00:00Z"} AND price = ${"1.00"}
    AND day = ${at} AND "at" = ${at} AND price = ${1}`;
  expect((await warehouse.publishQuery(targetOf(shape), query)).rowCount).toBe(1n);
});

test("readers in the same process see the old rows or the new ones, never an error or a mixture", async () => {
  const warehouse = new Warehouse();
  const generation = (n: number): object[] => Array.from({ length: 1_000 }, (_, id) => ({ id: n, name: String(id) }));
  await warehouse.publishRows(target, generation(0));
  await warehouse.store.close();
  const instance = await DuckDBInstance.create(warehouse.path);
  const client = new Client(instance, await instance.connect());
  const reading = await instance.connect();
  const seen: string[] = [];
  const end = new AbortController();
  const reader = (async () => {
    while (!end.signal.aborted) {
      const rows = (await reading.runAndReadAll("SELECT count(*), min(id), max(id) FROM a.x")).getRows();
      seen.push((rows[0] ?? []).map(String).join(" "));
    }
  })();
  try {
    for (let n = 1; n <= 20; n += 1) {
      const given = attempt();
      const next = await WarehouseStaged.begin(client, target, { runId: given.runId, statement: null }, (stage) =>
        client.run(`INSERT INTO ${stage} SELECT ${n}, CAST(range AS VARCHAR) FROM range(1000)`),
      );
      await publish(next, target, given);
    }
  } finally {
    end.abort();
    await reader;
    reading.closeSync();
    client.close();
  }
  const expected = Array.from({ length: 21 }, (_, n) => `1000 ${n} ${n}`);
  expect([...new Set(seen)].filter((line) => !expected.includes(line))).toEqual([]);
  expect(new Set(seen).size).toBeGreaterThan(1);
});
