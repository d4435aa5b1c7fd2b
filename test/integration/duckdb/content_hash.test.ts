import { expect, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import { targetOf, Warehouse } from "./warehouse.ts";

const shape = { a: z.string().nullable(), b: z.string().nullable(), n: z.number().nullable() };
const target = targetOf(shape);
type Row = readonly [a: string | null, b: string | null, n: number | null];
const hashOf = async (warehouse: Warehouse, rows: readonly Row[]): Promise<string> =>
  (
    await warehouse.facts(
      target,
      rows.map(([a, b, n]) => ({ a, b, n })),
    )
  ).contentHash;

test("the same rows in another order have the same content", async () => {
  const warehouse = new Warehouse();
  const rows = Array.from({ length: 5_000 }, (_, n): Row => [`a${n % 17}`, n % 3 === 0 ? null : `b${n}`, n / 7]);
  const first = await hashOf(warehouse, rows);
  expect(await hashOf(warehouse, rows.toReversed())).toBe(first);
  expect(
    await hashOf(
      warehouse,
      rows.toSorted((x, y) => String(x[0]).localeCompare(String(y[0]))),
    ),
  ).toBe(first);
});

const rows: readonly Row[] = [
  ["x", "y", 1],
  ["x", "z", 2],
];
test.each<[string, readonly Row[]]>([
  [
    "one cell",
    [
      ["x", "y", 1],
      ["x", "z", 3],
    ],
  ],
  [
    "NULL instead of empty",
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
    "zero instead of NULL",
    [
      ["x", "y", 0],
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
    "a blank more",
    [
      ["x ", "y", 1],
      ["x", "z", 2],
    ],
  ],
  [
    "text moved over the edge of a column",
    [
      ["xy", "", 1],
      ["x", "z", 2],
    ],
  ],
])("%s is other content", async (_name, changed) => {
  const warehouse = new Warehouse();
  expect(await hashOf(warehouse, changed)).not.toBe(await hashOf(warehouse, rows));
});

test("a renamed column and another type are other content", async () => {
  const warehouse = new Warehouse();
  const one = await warehouse.facts(targetOf({ a: z.int32() }), [{ a: 1 }]);
  const renamed = await warehouse.facts(targetOf({ b: z.int32() }), [{ b: 1 }]);
  const retyped = await warehouse.facts(targetOf({ a: z.int() }), [{ a: 1 }]);
  expect(new Set([one, renamed, retyped].map(({ contentHash }) => contentHash)).size).toBe(3);
});

test("NaN and the infinities are content of their own, the same each time", async () => {
  const warehouse = new Warehouse();
  const of = targetOf({ n: z.number() });
  const hash = async (text: string): Promise<string> =>
    (await warehouse.publishQuery(of, sql`SELECT CAST(${text} AS DOUBLE) AS n`)).contentHash;
  const all: string[] = [];
  for (const text of ["nan", "inf", "-inf", "0", "nan", "inf"]) all.push(await hash(text));
  expect(new Set(all).size).toBe(4);
  expect(all[4]).toBe(all[0]);
});

test("the same rows by rows, by query and in another file have the same content", async () => {
  const warehouse = new Warehouse();
  const objects = rows.map(([a, b, n]) => ({ a, b, n }));
  const first = (await warehouse.publishRows(target, objects)).contentHash;
  const query = await warehouse.publishQuery(target, sql`SELECT n, b, a FROM ${{ kind: "table", assetKey: "a/x" }}`);
  expect(query.contentHash).toBe(first);
  expect(await hashOf(new Warehouse(), rows)).toBe(first);
});

test("flags that change places between two rows change the content, also where a single hash would not see it", async () => {
  const warehouse = new Warehouse();
  const flagged = targetOf({ id: z.int(), flag: z.boolean() });
  const hash = async (first: boolean): Promise<string> => {
    // Two keys for which the difference between both flags' hashes is the same.
    const rows = [
      { id: 155, flag: first },
      { id: 18_936, flag: !first },
    ];
    return (await warehouse.facts(flagged, rows)).contentHash;
  };
  expect(await hash(true)).not.toBe(await hash(false));
});
