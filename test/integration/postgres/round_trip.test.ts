import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { date, decimal, int64, json, sql, timestamp, z } from "../../../definitions/index.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
beforeEach(() => server.sql(`DROP SCHEMA IF EXISTS a CASCADE`));
afterAll(() => server.stop());

const huge = "ä😀x".repeat(500_000);

test.each<[string, z.ZodType, string, readonly [value: unknown, text: string | null][]]>([
  [
    "strings, also empty, quotes, emoji, line ends",
    z.string().nullable(),
    "text",
    ["", "'\";--", "😀 e\u0301", "\r\n\t", "\\x00 %_ $1", "NULL"].map((text) => [text, text]),
  ],
  ["huge strings", z.string().nullable(), "text", [[huge, huge]]],
  [
    "32-bit integers to their limits",
    z.int32().nullable(),
    "integer",
    [-2_147_483_648, -1, 0, 2_147_483_647].map((n) => [n, String(n)]),
  ],
  [
    "integers to the limits of a number",
    z.int().nullable(),
    "bigint",
    [Number.MIN_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER].map((n) => [n, String(n)]),
  ],
  [
    "64-bit integers beyond 2^53",
    int64().nullable(),
    "bigint",
    [-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n].map((n) => [n, String(n)]),
  ],
  [
    "floating-point numbers to the last bit",
    z.number().nullable(),
    "double precision",
    [
      [0.1, "0.1"],
      [5e-324, "5e-324"],
      [-1.7976931348623157e308, "-1.7976931348623157e+308"],
      [1e21, "1e+21"],
      [-0, "-0"],
    ],
  ],
  [
    "booleans",
    z.boolean().nullable(),
    "boolean",
    [
      [true, "true"],
      [false, "false"],
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
      ["0", "0.0000"],
    ],
  ],
  [
    "decimals of 9 and 18 digits",
    decimal(18, 3).nullable(),
    "numeric(18,3)",
    [["-999999999999999.999", "-999999999999999.999"]],
  ],
  [
    "instants before 1970, in year 1 and in year 9999, to the millisecond",
    timestamp().nullable(),
    "timestamp with time zone",
    [
      [new Date("1969-12-31T23:59:59.999Z"), "1969-12-31 23:59:59.999+00"],
      [new Date("0001-01-01T00:00:00.000Z"), "0001-01-01 00:00:00+00"],
      [new Date("9999-12-31T23:59:59.999Z"), "9999-12-31 23:59:59.999+00"],
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
      [{ a: [1, "ä\u0000😀", null], "'\"": {} }, `{"a":[1,"ä\\u0000😀",null],"'\\"":{}}`],
      ["text", `"text"`],
      [0, "0"],
      [false, "false"],
    ],
  ],
])("%s come back exactly, NULL too", async (_name, schema, type, values) => {
  const warehouse = new Warehouse(server);
  const target = targetOf({ n: z.int32(), value: schema });
  const rows = [...values.map(([value]) => value), null].map((value, n) => ({ n, value }));
  const { rowCount } = await warehouse.publishRows(target, rows);
  expect(rowCount).toBe(BigInt(rows.length));
  const found = await warehouse.sql(
    "SELECT value, pg_typeof(value) || CASE WHEN pg_typeof(value) = 'numeric'::regtype THEN substr(format_type(atttypid, atttypmod), 8) ELSE '' END FROM a.x, pg_attribute WHERE attrelid = 'a.x'::regclass AND attname = 'value' ORDER BY n",
  );
  expect(found.map(([value]) => value)).toEqual([...values.map(([, text]) => text), null]);
  expect(new Set(found.map(([, found]) => found))).toEqual(new Set([type]));
});

test("an empty table is a table", async () => {
  const warehouse = new Warehouse(server);
  const target = targetOf({ id: z.string(), price: decimal(12, 2) });
  const facts = await warehouse.publishRows(target, []);
  expect(facts).toMatchObject({ rowCount: 0n, sample: { rows: [] } });
  expect(await warehouse.sql("SELECT count(*) FROM a.x")).toEqual([["0"]]);
  expect(
    (await warehouse.publishQuery(target, sql`SELECT ''::text AS id, CAST(0 AS numeric(12, 2)) AS price WHERE false`))
      .rowCount,
  ).toBe(0n);
});

test("a table of a thousand columns and more rows than a page holds keeps every cell in its place", async () => {
  const warehouse = new Warehouse(server);
  const names = Array.from({ length: 1_000 }, (_, index) => `c${index}`);
  const target = targetOf(Object.fromEntries(names.map((name) => [name, z.int32().nullable()])));
  const rows = Array.from({ length: 2_100 }, (_, row) =>
    Object.fromEntries(names.map((name, column) => [name, (row + column) % 7 === 0 ? null : row * 1_000 + column])),
  );
  await warehouse.publishRows(target, rows);
  // A relation of a thousand columns leaves no room for as many conditions in one query.
  for (const first of [0, 250, 500, 750]) {
    const isRight = names
      .slice(first, first + 250)
      .map(
        (name, n) =>
          `${name} IS NOT DISTINCT FROM CASE WHEN (i + ${n + first}) % 7 <> 0 THEN i * 1000 + ${n + first} END`,
      );
    expect(
      await warehouse.sql(
        `SELECT count(*), bool_and(${isRight.join(" AND ")}) FROM (SELECT *, coalesce(c0, c1 - 1) / 1000 AS i FROM a.x) AS y`,
      ),
    ).toEqual([["2100", "true"]]);
  }
});

test("rows of many pages are all there, once", async () => {
  const warehouse = new Warehouse(server);
  const target = targetOf({ id: z.int32(), text: z.string() });
  await warehouse.publishRows(
    target,
    Array.from({ length: 300_001 }, (_, id) => ({ id, text: `row ${id}` })),
  );
  expect(await warehouse.sql("SELECT count(*), count(DISTINCT id), sum(id), count(DISTINCT text) FROM a.x")).toEqual([
    ["300001", "300001", "45000150000", "300001"],
  ]);
});

test("the sample shows times in UTC, whatever the zone of the process, and what is NULL", async () => {
  const before = process.env["TZ"];
  process.env["TZ"] = "America/New_York";
  try {
    const warehouse = new Warehouse(server);
    const target = targetOf({ at: timestamp().nullable(), list: json(z.unknown()) });
    const { sample } = await warehouse.publishRows(target, [
      { at: new Date("2024-01-01T00:00:00Z"), list: [1] },
      { at: null, list: {} },
    ]);
    expect(sample).toEqual({
      columns: ["at", "list"],
      rows: [
        ["2024-01-01 00:00:00+00", "[1]"],
        [null, "{}"],
      ],
    });
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});
