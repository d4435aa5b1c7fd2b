import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  acceptedValues,
  between,
  matches,
  notNull,
  self,
  sql,
  sqlCheck,
  unique,
  z,
} from "../../../definitions/index.ts";
import type { ColumnRef, Sql } from "../../../definitions/sql.ts";
import { columnTypeName } from "../../../resources/postgres/type_names.ts";
import { quote } from "../../../resources/quote.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
beforeEach(() => server.sql(`DROP SCHEMA IF EXISTS a CASCADE`));
afterAll(() => server.stop());

const NAMES = [
  `a"b`,
  `""`,
  "semi;colon",
  "a b",
  "😀",
  "select",
  "$1",
  "?",
  "rows",
  "staged",
  "sample",
  "bad",
  "1",
  "%s",
  "--",
  "/*",
  "a'b",
  "\\",
  "é".repeat(31),
  "x".repeat(63),
  `"; DROP TABLE a.y; --`,
  "a\nb",
  "COUNT(*)",
  "constructor",
];

test("columns of any name are written, hashed, checked, indexed, commented and sampled as any other", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(targetOf({ id: z.int32() }, "a/y"), [{ id: 1 }]);
  const target = targetOf(Object.fromEntries(NAMES.map((name) => [name, z.string().describe(`It's ${name};`)])));
  const row = Object.fromEntries(NAMES.map((name) => [name, "x"]));
  const column = (name: string): ColumnRef => ({ kind: "column", assetKey: "a/x", column: name });
  const checks = NAMES.flatMap((name) => [
    unique(name),
    notNull(name),
    acceptedValues(name, ["y"]),
    matches(name, "x"),
    between(name, { min: "a", max: "z" }),
    sqlCheck("own", sql`SELECT * FROM ${self} WHERE ${column(name)} = 'x'`),
  ]);
  const outcomes = await warehouse.check(target, [row, row], checks);
  for (const [index, name] of NAMES.entries()) {
    const own = outcomes.slice(index * 6, index * 6 + 6);
    expect(
      own.map(({ failedRows }) => failedRows),
      name,
    ).toEqual([1n, 0n, 2n, 0n, 0n, 2n]);
    expect(own[0]?.sample?.rows, name).toEqual([["x", "2"]]);
    expect(own[2]?.sample?.columns, name).toEqual(target.columns.map((one) => one.name));
  }

  await warehouse.publishRows(target, [row]);
  for (const [index, name] of NAMES.entries())
    await warehouse.sql(`CREATE INDEX "by; "" ${index}" ON a.x (${quote(name)})`);
  const list = NAMES.toReversed().reduce<Sql | undefined>(
    (before, name) => (before === undefined ? sql`${column(name)}` : sql`${before}, ${column(name)}`),
    undefined,
  );
  const { sample } = await warehouse.publishQuery(
    target,
    sql`SELECT ${list ?? null} FROM ${{ kind: "table", assetKey: "a/x" }}`,
  );
  expect(sample.columns).toEqual(target.columns.map((one) => one.name));
  expect(
    await warehouse.sql(
      "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'a.x'::regclass AND attnum > 0 ORDER BY attnum",
    ),
  ).toEqual(target.columns.map(({ name, description }) => [name, description]));
  expect(await warehouse.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'a'")).toEqual([
    [String(NAMES.length)],
  ]);
  expect(await warehouse.sql("SELECT count(*) FROM a.y"), "nothing was injected").toEqual([["1"]]);
});

test.each(["main/x", "select/from", "Table/Order", "memory/x", "rows/rows", "quarantine/ledger", "x/x"])(
  "an asset called %s is a table as any other",
  async (key) => {
    const warehouse = new Warehouse(server);
    const target = targetOf({ id: z.int32() }, key);
    await warehouse.publishRows(target, [{ id: 1 }]);
    await warehouse.publishQuery(target, sql`SELECT id + 1 AS id FROM ${{ kind: "table", assetKey: key }}`);
    expect(await warehouse.sql(`SELECT id FROM ${key.split("/").map(quote).join(".")}`)).toEqual([["2"]]);
  },
);

test("a CTE of a check cannot hide the staged rows", async () => {
  const warehouse = new Warehouse(server);
  const hides = sql`WITH "rows" AS (SELECT 0 AS id WHERE false), x AS (SELECT 0 AS id WHERE false) SELECT * FROM ${self}`;
  const [outcome] = await warehouse.check(targetOf({ id: z.int32() }), [{ id: 1 }], [sqlCheck("hides", hides)]);
  expect(outcome).toMatchObject({ failedRows: 1n });
});

test("values of rows are never read as SQL", async () => {
  const warehouse = new Warehouse(server);
  const texts = [`'); DROP TABLE a.x; --`, `$1`, `"`, "\\'", "${self}", "{raw_events}"];
  await warehouse.publishRows(
    targetOf({ text: z.string() }),
    texts.map((text) => ({ text })),
  );
  expect((await warehouse.sql("SELECT text FROM a.x")).flat()).toEqual(texts);
});

test("a hostile description stays a description", async () => {
  const warehouse = new Warehouse(server);
  const description = `it's "so"; DROP TABLE a.x; -- \\ $1 😀\nline`;
  await warehouse.publishRows({ ...targetOf({ id: z.int32().describe(description) }), description }, [{ id: 1 }]);
  expect(await warehouse.sql("SELECT obj_description('a.x'::regclass)")).toEqual([[description]]);
});

test("every column type has the name that the engine gives it", async () => {
  const warehouse = new Warehouse(server);
  for (const kind of ["string", "int32", "int64", "float64", "boolean", "timestamp", "date", "json"] as const) {
    const name = columnTypeName({ kind });
    expect(await warehouse.sql(`SELECT pg_typeof(CAST(NULL AS ${name}))`)).toEqual([[name]]);
  }
});
