import { expect, test } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import {
  acceptedValues,
  between,
  date,
  decimal,
  json,
  matches,
  named,
  notNull,
  nullRateDrift,
  recent,
  references,
  rowCount,
  rowCountDrift,
  self,
  sql,
  sqlCheck,
  textLength,
  timestamp,
  unique,
  warn,
  z,
} from "../../../definitions/index.ts";
import { contextOf, runChecks } from "../../../resources/checks.ts";
import { DUCKDB_CHECKS } from "../../../resources/duckdb/checks.ts";
import { Client } from "../../../resources/duckdb/client.ts";
import type { TextReader } from "../../../resources/store.ts";
import { attempt, targetOf, Warehouse } from "./warehouse.ts";

const target = targetOf({
  id: z.int32().nullable(),
  t: z.string().nullable(),
  price: decimal(12, 2).nullable(),
  at: timestamp().nullable(),
  day: date().nullable(),
  f: z.number().nullable(),
  flag: z.boolean().nullable(),
  doc: json(z.unknown()).nullable(),
});
const EMPTY = { id: null, t: null, price: null, at: null, day: null, f: null, flag: null, doc: null };
const rows = [
  {
    ...EMPTY,
    id: 1,
    t: "it's",
    price: "1.00",
    at: new Date("2024-01-01T00:00:00Z"),
    day: "2024-01-01",
    f: 0.5,
    flag: true,
    doc: { a: 1 },
  },
  {
    ...EMPTY,
    id: 2,
    t: `"; DROP`,
    price: "-1.00",
    at: new Date("2024-01-01T00:00:00.001Z"),
    day: "2024-02-29",
    f: -1,
    flag: false,
  },
  { ...EMPTY, id: 2, t: "$1", price: "999.99" },
  EMPTY,
  EMPTY,
];
const parent = { kind: "table", assetKey: "a/parent", c: { id: null } } as const;

test("every rule counts the rows that break it, all in one go, whatever their order and their values", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(targetOf({ id: z.int32() }, "a/parent"), [{ id: 1 }]);
  const expected: readonly (readonly [check: Check, failed: bigint])[] = [
    [unique("id"), 1n],
    [unique("id", "t"), 0n],
    [unique("price"), 0n],
    [notNull("id"), 2n],
    [notNull("id", "doc"), 4n],
    [between("id", { min: 2 }), 1n],
    [between("id", { max: 1 }), 2n],
    [between("id", { min: 1, max: 2 }), 0n],
    [between("price", { min: "0.00" }), 1n],
    [between("price", { min: -1, max: 100 }), 1n],
    [between("at", { max: "2024-01-01T00:00:00Z" }), 1n],
    [between("at", { max: "2024-01-01T01:00:00.0005+01:00" }), 1n],
    [between("day", { min: "2024-01-01", max: "2024-02-28" }), 1n],
    [between("f", { min: "-1e0", max: 0.4 }), 1n],
    [between("t", { min: `"`, max: "z" }), 0n],
    [acceptedValues("t", ["it's", `"; DROP`, "$1"]), 0n],
    [acceptedValues("t", ["$1", "') OR TRUE; --", "it''s"]), 2n],
    [acceptedValues("id", [1, "3"]), 2n],
    [acceptedValues("price", ["1.00", "-1", 999.99]), 0n],
    [acceptedValues("flag", ["true"]), 1n],
    [acceptedValues("day", ["2024-01-01"]), 1n],
    [matches("t", "it's|\\$\\d"), 1n],
    [matches("t", "it"), 3n],
    [matches("id", "[12]"), 0n],
    [matches("t", "(?i)IT'S|.*[$].*|\".*"), 0n],
    [rowCount({ min: 5, max: 5 }), 0n],
    [rowCount({ min: 6 }), 1n],
    [rowCount({ max: 4 }), 1n],
    [references("id", parent, "id"), 2n],
    [sqlCheck("own", sql`SELECT * FROM ${self} WHERE id = ${2} AND t <> ${"$1"}`), 1n],
    [sqlCheck("joined", sql`SELECT s.id FROM ${self} AS s JOIN ${parent} AS p ON p.id <> s.id WHERE s.id > ${0}`), 2n],
    [sqlCheck("nested", sql`${sql`SELECT 1 FROM ${sql`${self}`} WHERE ${false}`} -- none`), 0n],
    [between("id", { min: 1, max: 1 }), 2n],
  ];
  for (const checks of [expected, expected.toReversed()]) {
    const outcomes = await warehouse.check(
      target,
      rows,
      checks.map(([check]) => check),
    );
    expect(outcomes.map(({ check, failedRows }) => [check.name, check.description, failedRows])).toEqual(
      checks.map(([check, failed]) => [check.name, check.description, failed]),
    );
    expect(outcomes.map(({ passed }) => passed)).toEqual(checks.map(([, failed]) => failed === 0n));
    expect(new Set(outcomes.map(({ checkedRows }) => checkedRows))).toEqual(new Set([5n]));
  }
});

test("a failed check shows at most five of the rows that fail it, and only those", async () => {
  const warehouse = new Warehouse();
  const many = Array.from({ length: 20 }, (_, id) => ({ ...EMPTY, id, t: id % 2 === 0 ? "good" : "bad" }));
  const [outcome, passed] = await warehouse.check(target, many, [warn(acceptedValues("t", ["good"])), notNull("id")]);
  expect(outcome).toMatchObject({ failedRows: 10n, check: { severity: "WARN" } });
  expect(outcome?.sample?.rows).toHaveLength(5);
  expect(new Set(outcome?.sample?.rows.map((row) => row[1]))).toEqual(new Set(["bad"]));
  expect(passed).toMatchObject({ passed: true, sample: null });
});

test("an empty table passes everything but a minimum of rows", async () => {
  const warehouse = new Warehouse();
  const outcomes = await warehouse.check(
    target,
    [],
    [
      unique("id"),
      notNull("id"),
      between("id", { min: 1 }),
      acceptedValues("t", ["a"]),
      matches("t", "a"),
      sqlCheck("own", sql`SELECT * FROM ${self}`),
      rowCount({ max: 0 }),
      rowCount({ min: 1 }),
    ],
  );
  expect(outcomes.map(({ passed }) => passed)).toEqual([true, true, true, true, true, true, true, false]);
});

test("no checks at all are none, also for an empty table", async () => {
  expect(await new Warehouse().check(target, [], [])).toEqual([]);
});

test("NaN is between no bounds, and no infinity is", async () => {
  const warehouse = new Warehouse();
  const given = attempt();
  const query = sql`SELECT unnest(['nan', 'inf', '-inf', '1', NULL])::DOUBLE AS f`;
  const staged = await warehouse.store.stageQuery(targetOf({ f: z.number().nullable() }), query, null, given);
  const outcomes = await staged.check([
    between("f", { min: 0 }),
    between("f", { max: 5 }),
    between("f", { min: 0, max: 5 }),
  ]);
  await staged.discard();
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([2n, 2n, 3n]);
});

test("a check on an asset that was never materialised fails with the name of its table", async () => {
  const warehouse = new Warehouse();
  const [outcome] = await warehouse.check(target, rows, [references("id", parent, "id")]);
  expect(outcome).toMatchObject({ passed: false, error: expect.stringContaining("parent") as unknown });
  expect(await warehouse.sql("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'a'")).toEqual([["0"]]);
});

test("the SQL of a check cannot change the warehouse", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(target, rows);
  const evil = sqlCheck("evil", sql`SELECT 1 FROM ${self}); DROP TABLE a.x; SELECT (1`);
  const [outcome] = await warehouse.check(target, rows, [evil]);
  expect(outcome).toMatchObject({ passed: false, error: expect.any(String) as unknown });
  expect(await warehouse.sql("SELECT count(*) FROM a.x")).toEqual([["5"]]);
});

test("what one row or one aggregate tells is asked in one pass over the rows, all else in one query each", async () => {
  const client = await Client.open(":memory:");
  await client.run("CREATE TABLE staged AS SELECT 1 AS id, 'a' AS t, 0.5::DOUBLE AS f, DATE '2024-01-01' AS day");
  const asked: string[] = [];
  const reader: TextReader = {
    text: (statement) => {
      asked.push(statement.text);
      return client.text(statement);
    },
  };
  const { columns } = targetOf({ id: z.int32(), t: z.string(), f: z.number(), day: date() });
  const simple = [
    ...[notNull("id"), between("f", { min: 0 }), acceptedValues("t", ["a"]), matches("t", "a")],
    ...[textLength("t", { min: 1 }), recent("day", "90d"), rowCount({ min: 1 }), rowCountDrift({ max: 1 })],
    nullRateDrift("f", { max: 1 }),
  ];
  const many = Array.from({ length: 500 }, (_, n) => named(`n${n}`, between("id", { min: 0, max: n + 1 })));
  const queriesOf = async (checks: readonly Check[]): Promise<number> => {
    asked.length = 0;
    const context = contextOf({ now: new Date("2024-01-02T00:00:00Z") });
    const outcomes = await runChecks(reader, DUCKDB_CHECKS, { columns, relation: "staged" }, checks, context);
    expect(outcomes.filter(({ passed }) => !passed)).toEqual([]);
    return asked.length;
  };
  expect(await queriesOf(simple)).toBe(1);
  const own = sqlCheck("own", sql`SELECT * FROM ${self} WHERE id < ${0}`);
  expect(await queriesOf([...simple, unique("id"), unique("t"), own])).toBe(1 + 3);
  // No store takes a thousand aggregates in one query.
  expect(await queriesOf([...simple, ...many])).toBe(2);
  client.close();
});

test("fifty checks on one column are each bound to their own values", async () => {
  const warehouse = new Warehouse();
  const checks = Array.from({ length: 50 }, (_, n) => between("id", { min: n, max: n }));
  const outcomes = await warehouse.check(
    target,
    [
      { ...EMPTY, id: 7 },
      { ...EMPTY, id: 30 },
    ],
    checks,
  );
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual(checks.map((_, n) => (n === 7 || n === 30 ? 1n : 2n)));
});
