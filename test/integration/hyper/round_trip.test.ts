import { expect, test } from "vitest";
import { date, decimal, int64, json, sql, timestamp, z } from "../../../definitions/index.ts";
import { HyperServer } from "./warehouse.ts";

const server = HyperServer.forThisFile();
const huge = "ä😀x".repeat(500_000);

test.each<[string, z.ZodType, string, readonly [value: unknown, text: string | null][]]>([
  [
    "strings, also empty, with a NUL character, quotes, emoji, line ends",
    z.string().nullable(),
    "text",
    ["", "a\0b", "'\";--", "😀 e\u0301", "\r\n\t\b\f\v", "\\x00 %_ $1", "NULL", "\\N", "\\.", "\\"].map((t) => [t, t]),
  ],
  ["huge strings", z.string().nullable(), "text", [[huge, huge]]],
  [
    "32-bit integers to their limits",
    z.int32().nullable(),
    "integer",
    [-2_147_483_648, -1, 0, 2_147_483_647].map((n) => [n, String(n)]),
  ],
  [
    "64-bit integers beyond 2^53",
    int64().nullable(),
    "bigint",
    [-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n].map((n) => [n, String(n)]),
  ],
  [
    "booleans",
    z.boolean().nullable(),
    "boolean",
    [
      [true, "t"],
      [false, "f"],
    ],
  ],
  [
    "decimals of 38 digits, negative and short",
    decimal(38, 10).nullable(),
    "numeric(38,10)",
    [
      ["9".repeat(28) + "." + "9".repeat(10), "9".repeat(28) + "." + "9".repeat(10)],
      ["-0.0000000001", "-0.0000000001"],
      ["-12.5", "-12.5000000000"],
      ["0", "0.0000000000"],
      ["-0", "0.0000000000"],
      ["007", "7.0000000000"],
    ],
  ],
  [
    "decimals without a fraction",
    decimal(38, 0).nullable(),
    "numeric(38,0)",
    [
      ["9".repeat(38), "9".repeat(38)],
      ["-1", "-1"],
    ],
  ],
  [
    "decimals that are all fraction",
    decimal(4, 4).nullable(),
    "numeric(4,4)",
    [
      ["0.9999", "0.9999"],
      ["-.5", "-0.5000"],
    ],
  ],
  [
    "instants before Christ, before 1970, and far away, to the millisecond",
    timestamp().nullable(),
    "timestamptz",
    [
      [new Date("1969-12-31T23:59:59.999Z"), "1969-12-31 23:59:59.999+00"],
      [new Date("0001-01-01T00:00:00.000Z"), "0001-01-01 00:00:00+00"],
      [new Date("0000-03-01T00:00:00.001Z"), "0001-03-01 00:00:00.001+00 BC"],
      [new Date("-000043-03-15T12:00:00.000Z"), "0044-03-15 12:00:00+00 BC"],
      [new Date("9999-12-31T23:59:59.999Z"), "9999-12-31 23:59:59.999+00"],
      [new Date("+012345-06-07T00:00:00.500Z"), "12345-06-07 00:00:00.5+00"],
      [new Date("2024-02-29T12:00:00.001Z"), "2024-02-29 12:00:00.001+00"],
    ],
  ],
  [
    "days",
    date().nullable(),
    "date",
    ["0001-01-01", "1582-10-15", "1969-12-31", "2024-02-29", "9999-12-31"].map((day) => [day, day]),
  ],
  [
    "documents",
    json(z.unknown()).nullable(),
    "json",
    [
      [{ a: [1, "ä\u0000😀\n", null], "'\"": {} }, `{"a":[1,"ä\\u0000😀\\n",null],"'\\"":{}}`],
      ["text", `"text"`],
      [0, "0"],
      [false, "false"],
    ],
  ],
])("%s come back exactly, NULL too", async (_name, schema, type, values) => {
  const warehouse = await server.open();
  const target = warehouse.target({ n: z.int32(), value: schema });
  const rows = [...values.map(([value]) => value), null].map((value, n) => ({ n, value }));
  const { rowCount } = await warehouse.publishRows(target, rows);
  expect(rowCount).toBe(BigInt(rows.length));
  const found = await warehouse.sql(`SELECT value FROM ${warehouse.schema}.x ORDER BY n`);
  expect(found.map(([value]) => value)).toEqual([...values.map(([, text]) => text), null]);
  const [types] = await warehouse.sql(
    `SELECT format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = '${warehouse.schema}' AND a.attname = 'value'`,
  );
  expect(types).toEqual([type]);
});

test("floating-point numbers come back to the last bit", async () => {
  const warehouse = await server.open();
  const numbers = [0.1, 0.1 + 0.2, 5e-324, -1.7976931348623157e308, 1e21, 123_456_789.123_456_78, -0];
  await warehouse.publishRows(
    warehouse.target({ n: z.int32(), value: z.number() }),
    numbers.map((value, n) => ({ n, value })),
  );
  const found = await warehouse.sql(`SELECT value FROM ${warehouse.schema}.x ORDER BY n`);
  expect(found.map(([value]) => Number(value))).toEqual(numbers);
});

test("instants keep their microseconds on the way from SQL", async () => {
  const warehouse = await server.open();
  await warehouse.publishQuery(
    warehouse.target({ at: timestamp() }),
    sql`SELECT TIMESTAMPTZ '2017-01-01 12:00:00.123456+02' AS at`,
  );
  expect(await warehouse.sql(`SELECT at FROM ${warehouse.schema}.x`)).toEqual([["2017-01-01 10:00:00.123456+00"]]);
});

test("rows of many pages are all there, once", async () => {
  const warehouse = await server.open();
  await warehouse.publishRows(
    warehouse.target({ id: z.int32(), text: z.string() }),
    Array.from({ length: 300_001 }, (_, id) => ({ id, text: `row ${id}` })),
  );
  expect(
    await warehouse.sql(
      `SELECT count(*), count(DISTINCT id), sum(CAST(id AS bigint)), count(DISTINCT text) FROM ${warehouse.schema}.x`,
    ),
  ).toEqual([["300001", "300001", "45000150000", "300001"]]);
});

test("what JavaScript can tell apart, the content hash can", async () => {
  const warehouse = await server.open();
  const hash = async (shape: Record<string, z.ZodType>, rows: readonly object[]): Promise<string> =>
    (await warehouse.publishRows(warehouse.changeable(shape), rows)).contentHash;
  const texts = { a: z.string().nullable(), b: z.string().nullable() };
  const hashes = [
    await hash(texts, [{ a: "ab", b: "c" }]),
    await hash(texts, [{ a: "a", b: "bc" }]),
    await hash(texts, [{ a: "1:a", b: "" }]),
    await hash(texts, [{ a: null, b: "" }]),
    await hash(texts, [{ a: "", b: null }]),
    await hash(texts, [{ a: "NULL|", b: null }]),
    await hash(texts, [{ a: "a\0b", b: null }]),
    await hash(texts, [{ a: "a\0c", b: null }]),
    await hash({ a: z.number(), b: z.number() }, [{ a: 0.1, b: 0.3 }]),
    await hash({ a: z.number(), b: z.number() }, [{ a: 0.1, b: 0.1 + 0.2 }]),
    await hash({ a: z.int().nullable(), b: z.int().nullable() }, [{ a: 1, b: 11 }]),
    await hash({ a: z.int().nullable(), b: z.int().nullable() }, [{ a: 11, b: 1 }]),
    await hash({ a: z.int().nullable(), b: z.int().nullable() }, []),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});
