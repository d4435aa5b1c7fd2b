import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
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
  warn,
  z,
} from "../../../definitions/index.ts";
import { attempt, targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
beforeEach(() => server.sql(`DROP SCHEMA IF EXISTS a CASCADE`));
afterAll(() => server.stop());

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
  const warehouse = new Warehouse(server);
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
  const warehouse = new Warehouse(server);
  const many = Array.from({ length: 20 }, (_, id) => ({ ...EMPTY, id, t: id % 2 === 0 ? "good" : "bad" }));
  const [outcome, passed] = await warehouse.check(target, many, [warn(acceptedValues("t", ["good"])), notNull("id")]);
  expect(outcome).toMatchObject({ failedRows: 10n, check: { severity: "WARN" } });
  expect(outcome?.sample?.rows).toHaveLength(5);
  expect(new Set(outcome?.sample?.rows.map((row) => row[1]))).toEqual(new Set(["bad"]));
  expect(passed).toMatchObject({ passed: true, sample: null });
});

test("an empty table passes everything but a minimum of rows", async () => {
  const warehouse = new Warehouse(server);
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
  expect(await new Warehouse(server).check(target, [], [])).toEqual([]);
});

test("NaN is between no bounds, and no infinity is", async () => {
  const warehouse = new Warehouse(server);
  const given = attempt();
  const query = sql`SELECT CAST(n AS double precision) AS f FROM unnest(ARRAY['nan', 'inf', '-inf', '1', NULL]) AS n`;
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
  const warehouse = new Warehouse(server);
  const [outcome] = await warehouse.check(target, rows, [references("id", parent, "id")]);
  expect(outcome).toMatchObject({ passed: false, error: expect.stringContaining("parent") as unknown });
  expect(await warehouse.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'a'")).toEqual([["0"]]);
});

test("the SQL of a check cannot change the warehouse", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(target, rows);
  const evil = sqlCheck("evil", sql`SELECT 1 FROM ${self}); DROP TABLE a.x; SELECT (1`);
  const [outcome] = await warehouse.check(target, rows, [evil]);
  expect(outcome).toMatchObject({ passed: false, error: expect.any(String) as unknown });
  expect(await warehouse.sql("SELECT count(*) FROM a.x")).toEqual([["5"]]);
});

test("fifty checks on one column are each bound to their own values", async () => {
  const warehouse = new Warehouse(server);
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

test.each<[pattern: string, matching: readonly string[], other: readonly string[]]>([
  ["a.b", ["axb"], ["a\nb", "axbx"]],
  ["(?s)a.b", ["axb", "a\nb"], ["ab"]],
  ["(?i)STRASSE|ß", ["strasse", "ß"], ["x"]],
  [String.raw`\bone\b.*`, ["one two", "one"], ["ones"]],
  [String.raw`\d{2,3}|\w+@\w+`, ["12", "123", "a@b"], ["1", "1234", "a@"]],
  [String.raw`[^a-c]\.\\`, ["x.\\"], ["a.\\", "x:\\"]],
  ["a|b", ["a", "b"], ["ab", "xa"]],
  ["", [""], ["a"]],
  ["it's", ["it's"], ["its"]],
])("the pattern %j matches what it does in the other stores", async (pattern, matching, other) => {
  const warehouse = new Warehouse(server);
  const texts = targetOf({ t: z.string() });
  const check = async (values: readonly string[]): Promise<bigint | undefined> =>
    (
      await warehouse.check(
        texts,
        values.map((t) => ({ t })),
        [matches("t", pattern)],
      )
    )[0]?.failedRows;
  expect(await check(matching)).toBe(0n);
  expect(await check(other)).toBe(BigInt(other.length));
});

test("documents are compared as the texts that they are", async () => {
  const warehouse = new Warehouse(server);
  const documents = targetOf({ doc: json(z.unknown()) });
  const outcomes = await warehouse.check(
    documents,
    [{ doc: [1] }, { doc: [1] }, { doc: {} }],
    [unique("doc"), acceptedValues("doc", ["[1]"])],
  );
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([1n, 1n]);
});

test("a bound with more digits than the column is not rounded", async () => {
  const warehouse = new Warehouse(server);
  const [outcome] = await warehouse.check(
    target,
    [{ ...EMPTY, id: 1, price: "1.00" }],
    [between("price", { max: "0.999" }), between("id", { max: 0.5 })],
  );
  expect(outcome).toMatchObject({ failedRows: 1n });
});
