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
import { attempt, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
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
const parentTarget = targetOf({ id: z.int32() });
const parent = { kind: "table", assetKey: parentTarget.assetKey, c: { id: null } } as const;

test("every rule counts the rows that break it, all in one go, whatever their order and their values", async () => {
  await warehouse.publishRows(parentTarget, [{ id: 1 }]);
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
  const many = Array.from({ length: 20 }, (_, id) => ({ ...EMPTY, id, t: id % 2 === 0 ? "good" : "bad" }));
  const [outcome] = await warehouse.check(target, many, [acceptedValues("t", ["good"])]);
  expect(outcome?.sample?.rows).toHaveLength(5);
  expect(new Set(outcome?.sample?.rows.map((row) => row[1]))).toEqual(new Set(["bad"]));
});

test("an empty table passes everything but a minimum of rows", async () => {
  const checks = [unique("id"), notNull("id"), between("id", { min: 1 }), matches("t", "a"), rowCount({ max: 0 })];
  const outcomes = await warehouse.check(target, [], [...checks, rowCount({ min: 1 })]);
  expect(outcomes.map(({ passed }) => passed)).toEqual([true, true, true, true, true, false]);
});

test("NaN is between no bounds, and no infinity is", async () => {
  const to = targetOf({ f: z.number().nullable() });
  const given = attempt();
  const query = sql`SELECT arrayJoin([CAST('nan' AS Nullable(Float64)), inf, -inf, 1, NULL]) AS f`;
  const staged = await warehouse.store.stageQuery(to, query, null, given);
  const outcomes = await staged.check([between("f", { min: 0, max: 2 }), between("f", { min: 0 })]);
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([3n, 2n]);
  await staged.discard();
});

test("a pattern matches whole texts, and its dot no line end", async () => {
  const to = targetOf({ t: z.string() });
  const texts = ["ab", "ab\n", "a\nb", "xab", "a\\b"].map((t) => ({ t }));
  const outcomes = await warehouse.check(to, texts, [matches("t", "a.?b"), matches("t", "a\\\\b|.*\\n?.*")]);
  expect(outcomes.map(({ failedRows }) => failedRows)).toEqual([3n, 0n]);
});

const shape = { a: z.string().nullable(), b: z.string().nullable(), n: z.number().nullable() };
type Row = readonly [a: string | null, b: string | null, n: number | null];
const first: readonly Row[] = [
  ["x", "y", 1],
  ["x", "z", 2],
];
async function hashOf(given: readonly Row[]): Promise<string> {
  const to = targetOf(shape);
  const objects = given.map(([a, b, n]) => ({ a, b, n }));
  const staged = await warehouse.stageRows(to, objects, attempt());
  const { contentHash } = await staged.facts();
  await staged.discard();
  return contentHash;
}

test.each<[string, readonly Row[]]>([
  [
    "one cell",
    [
      ["x", "y", 1],
      ["x", "z", 3],
    ],
  ],
  [
    "NULL instead of a value",
    [
      ["x", null, 1],
      ["x", "z", 2],
    ],
  ],
  [
    "empty instead of a value",
    [
      ["x", "", 1],
      ["x", "z", 2],
    ],
  ],
  [
    "zero instead of a value",
    [
      ["x", "y", 0],
      ["x", "z", 2],
    ],
  ],
  [
    "NULL instead of a number",
    [
      ["x", "y", null],
      ["x", "z", 2],
    ],
  ],
  [
    "values swapped between columns",
    [
      ["y", "x", 1],
      ["x", "z", 2],
    ],
  ],
  [
    "values swapped between rows",
    [
      ["x", "z", 1],
      ["x", "y", 2],
    ],
  ],
  [
    "a row twice",
    [
      ["x", "y", 1],
      ["x", "z", 2],
      ["x", "z", 2],
    ],
  ],
  ["a row missing", [["x", "y", 1]]],
  [
    "a row of NULL more",
    [
      ["x", "y", 1],
      ["x", "z", 2],
      [null, null, null],
    ],
  ],
  ["no rows", []],
  [
    "text moved over the edge of a column",
    [
      ["xy", "", 1],
      ["x", "z", 2],
    ],
  ],
])("%s is other content", async (_name, changed) => {
  expect(await hashOf(changed)).not.toBe(await hashOf(first));
  expect(await hashOf(changed.toReversed())).toBe(await hashOf(changed));
});

test("the same rows by rows and by query have the same content", async () => {
  const to = targetOf(shape);
  const objects = first.map(([a, b, n]) => ({ a, b, n }));
  const { contentHash } = await warehouse.publishRows(to, objects);
  const again = await warehouse.publishQuery(to, sql`SELECT n, b, a FROM ${{ kind: "table", assetKey: to.assetKey }}`);
  expect(again.contentHash).toBe(contentHash);
});
