import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { json, sql, z } from "../../../definitions/index.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
beforeEach(() => server.sql(`DROP SCHEMA IF EXISTS a CASCADE`));
afterAll(() => server.stop());

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
  const warehouse = new Warehouse(server);
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
  const warehouse = new Warehouse(server);
  expect(await hashOf(warehouse, changed)).not.toBe(await hashOf(warehouse, rows));
});

test("a renamed column and another type are other content", async () => {
  const warehouse = new Warehouse(server);
  const one = await warehouse.facts(targetOf({ a: z.int32() }), [{ a: 1 }]);
  const renamed = await warehouse.facts(targetOf({ b: z.int32() }), [{ b: 1 }]);
  const retyped = await warehouse.facts(targetOf({ a: z.int() }), [{ a: 1 }]);
  expect(new Set([one, renamed, retyped].map(({ contentHash }) => contentHash)).size).toBe(3);
});

test("NaN and the infinities are content of their own, the same each time", async () => {
  const warehouse = new Warehouse(server);
  const of = targetOf({ n: z.number() });
  const hash = async (text: string): Promise<string> =>
    (await warehouse.publishQuery(of, sql`SELECT CAST(${text} AS double precision) AS n`)).contentHash;
  const all: string[] = [];
  for (const text of ["nan", "inf", "-inf", "0", "nan", "inf"]) all.push(await hash(text));
  expect(new Set(all).size).toBe(4);
  expect(all[4]).toBe(all[0]);
});

test("the same rows by rows, by query and by another store have the same content", async () => {
  const warehouse = new Warehouse(server);
  const objects = rows.map(([a, b, n]) => ({ a, b, n }));
  const first = (await warehouse.publishRows(target, objects)).contentHash;
  const query = await warehouse.publishQuery(target, sql`SELECT n, b, a FROM ${{ kind: "table", assetKey: "a/x" }}`);
  expect(query.contentHash).toBe(first);
  expect(await hashOf(new Warehouse(server), rows)).toBe(first);
});

test("doubles that differ in a sign or a last bit, and documents that differ in their spelling, are other content", async () => {
  const warehouse = new Warehouse(server);
  const of = targetOf({ f: z.number(), doc: json(z.unknown()) });
  const all = [
    { f: 0, doc: { a: 1, b: 2 } },
    { f: -0, doc: { a: 1, b: 2 } },
    { f: 5e-324, doc: { a: 1, b: 2 } },
    { f: 0, doc: { b: 2, a: 1 } },
  ];
  const hashes = new Set<string>();
  for (const row of all) hashes.add((await warehouse.facts(of, [row])).contentHash);
  expect(hashes.size).toBe(4);
});
