import { expect, test } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import {
  acceptedValues,
  between,
  date,
  decimal,
  json,
  matches,
  notNull,
  references,
  rowCount,
  self,
  sql,
  sqlCheck,
  timestamp,
  unique,
  z,
} from "../../../definitions/index.ts";
import { attempt, HyperServer } from "./warehouse.ts";

const server = HyperServer.forThisFile();

const SHAPE = {
  id: z.int32().nullable(),
  t: z.string().nullable(),
  price: decimal(12, 2).nullable(),
  at: timestamp().nullable(),
  day: date().nullable(),
  f: z.number().nullable(),
  flag: z.boolean().nullable(),
  doc: json(z.unknown()).nullable(),
};
const EMPTY = { id: null, t: null, price: null, at: null, day: null, f: null, flag: null, doc: null };
const ROWS = [
  {
    ...EMPTY,
    ...{ id: 1, t: "it's", price: "1.00", at: new Date("2024-01-01T00:00:00Z"), day: "2024-01-01", f: 0.5 },
    ...{ flag: true, doc: { a: 1 } },
  },
  {
    ...EMPTY,
    ...{ id: 2, t: `"; DROP`, price: "-1.00", at: new Date("2024-01-01T00:00:00.001Z"), day: "2024-02-29", f: -1 },
    flag: false,
  },
  { ...EMPTY, id: 2, t: "$1", price: "999.99" },
  EMPTY,
  EMPTY,
];

test("every rule counts the rows that break it", async () => {
  const warehouse = await server.open();
  const target = warehouse.target(SHAPE);
  const parent = { kind: "table", assetKey: `${warehouse.schema}/parent`, c: { id: null } } as const;
  await warehouse.publishRows(warehouse.target({ id: z.int32() }, { kind: "replace" }, "parent"), [{ id: 1 }]);
  const expected: readonly (readonly [check: Check, failed: bigint])[] = [
    [unique("id"), 1n],
    [unique("id", "t"), 0n],
    [unique("doc"), 0n],
    [notNull("id"), 2n],
    [notNull("id", "doc"), 4n],
    [between("id", { min: 2 }), 1n],
    [between("id", { min: 1, max: 2 }), 0n],
    [between("price", { min: "0.00" }), 1n],
    [between("price", { min: -1, max: 100 }), 1n],
    [between("at", { max: "2024-01-01T00:00:00Z" }), 1n],
    [between("at", { max: "2024-01-01T01:00:00.0005+01:00" }), 1n],
    [between("day", { min: "2024-01-01", max: "2024-02-28" }), 1n],
    [between("f", { min: "-1e0", max: 0.4 }), 1n],
    [acceptedValues("t", ["it's", `"; DROP`, "$1"]), 0n],
    [acceptedValues("t", ["$1", "') OR TRUE; --", "it''s"]), 2n],
    [acceptedValues("id", [1, "3"]), 2n],
    [acceptedValues("price", ["1.00", "-1", 999.99]), 0n],
    [acceptedValues("flag", ["true"]), 1n],
    [acceptedValues("day", ["2024-01-01"]), 1n],
    [rowCount({ min: 5, max: 5 }), 0n],
    [rowCount({ min: 6 }), 1n],
    [references("id", parent, "id"), 2n],
    [sqlCheck("own", sql`SELECT * FROM ${self} WHERE id = ${2} AND t <> ${"$1"}`), 1n],
    [sqlCheck("joined", sql`SELECT s.id FROM ${self} AS s JOIN ${parent} AS p ON p.id <> s.id WHERE s.id > ${0}`), 2n],
    [sqlCheck("nested", sql`${sql`SELECT 1 FROM ${sql`${self}`} WHERE ${false}`} -- none`), 0n],
  ];
  for (const checks of [expected, expected.toReversed()]) {
    const outcomes = await warehouse.check(
      target,
      ROWS,
      checks.map(([check]) => check),
    );
    expect(outcomes.map(({ check, failedRows }) => [check.name, check.description, failedRows])).toEqual(
      checks.map(([check, failed]) => [check.name, check.description, failed]),
    );
    expect(new Set(outcomes.map(({ checkedRows }) => checkedRows))).toEqual(new Set([5n]));
  }
});

test.each<[string, string, boolean]>([
  ["the whole text is matched, not a part", "t", false],
  ["an alternative stands for the whole text too", "x|it's", true],
  ["a quote in a pattern is a quote", "it's", true],
  ["case may be left aside", "(?i)IT'S", true],
  ["a dot is any character", "it.s", true],
  ["a class is ASCII", "\\w\\w'\\w", true],
])("in a pattern, %s", async (_name, pattern, passes) => {
  const warehouse = await server.open();
  const [outcome] = await warehouse.check(warehouse.target(SHAPE), [{ ...EMPTY, t: "it's" }], [matches("t", pattern)]);
  expect(outcome?.passed).toBe(passes);
});

test("in a pattern, a dot is no line break, and no line end is the end of the text", async () => {
  const warehouse = await server.open();
  const rows = [
    { ...EMPTY, t: "a\nb" },
    { ...EMPTY, t: "a\n" },
  ];
  const outcomes = await warehouse.check(warehouse.target(SHAPE), rows, [
    matches("t", "a.b?"),
    matches("t", "a"),
    matches("t", "(?s)a.b?"),
  ]);
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([2n, 2n, 0n]);
});

test("NaN is between no bounds, and infinity in none that end before it", async () => {
  const warehouse = await server.open();
  const query = sql`SELECT CAST(f AS double precision) AS f FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('1'), (NULL)) AS v(f)`;
  const staged = await warehouse.store.stageQuery(
    warehouse.target({ f: z.number().nullable() }),
    query,
    null,
    attempt(),
  );
  const outcomes = await staged.check([
    between("f", { min: 0 }),
    between("f", { max: 5 }),
    between("f", { min: 0, max: 5 }),
  ]);
  await staged.discard();
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([2n, 2n, 3n]);
});

test("the SQL of a check cannot change the warehouse", async () => {
  const warehouse = await server.open();
  const target = warehouse.target(SHAPE);
  await warehouse.publishRows(target, ROWS);
  const evil = sqlCheck("evil", sql`SELECT 1 FROM ${self}); DROP TABLE ${self}; SELECT (1`);
  const [outcome] = await warehouse.check(target, ROWS, [evil]);
  expect(outcome).toMatchObject({ passed: false, error: expect.any(String) as unknown });
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([["5"]]);
});

test("columns of any name are written, hashed and checked as any other", async () => {
  const names = [`a"b`, `""`, "semi;colon", "😀", "select", "$1", "?", "staged", "bad", "hashed", "digest", "query"];
  names.push("1", "%s", "--", "/*", "a'b", "\\", "é".repeat(31), "x".repeat(63), "a\nb", "COUNT(*)", "constructor");
  const warehouse = await server.open();
  const target = warehouse.target(
    Object.fromEntries(names.map((name) => [name, z.string().describe(`It's ${name};`)])),
  );
  const row = Object.fromEntries(names.map((name) => [name, "x"]));
  const outcomes = await warehouse.check(
    target,
    [row, row],
    names.flatMap((name) => [unique(name), notNull(name), acceptedValues(name, ["y"]), matches(name, "x")]),
  );
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual(names.flatMap(() => [1n, 0n, 2n, 0n]));
  await warehouse.publishRows(target, [row]);
  const read = sql`SELECT * FROM ${{ kind: "table", assetKey: target.assetKey }}`;
  const copy = { ...target, assetKey: `${warehouse.schema}/copy`, table: "copy" };
  expect((await warehouse.publishQuery(copy, read)).sample.columns).toEqual(target.columns.map((one) => one.name));
});
