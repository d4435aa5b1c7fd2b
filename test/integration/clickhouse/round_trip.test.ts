import { expect, test } from "vitest";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import { attempt, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
const huge = "ä😀x".repeat(500_000);

test.each<[string, z.ZodType, string, readonly [value: unknown, text: string | null][]]>([
  [
    "strings, also empty, with a NUL character, quotes, emoji, line ends",
    z.string().nullable(),
    "String",
    ["", "a\0b", "'\";--", "😀 e\u0301", "\r\n\t", "\\x00 %_ $1", "NULL", "\\N", "[1]"].map((text) => [text, text]),
  ],
  ["huge strings", z.string().nullable(), "String", [[huge, huge]]],
  [
    "32-bit integers to their limits",
    z.int32().nullable(),
    "Int32",
    [-2_147_483_648, -1, 0, 2_147_483_647].map((n) => [n, String(n)]),
  ],
  [
    "integers to the limits of a number",
    z.int().nullable(),
    "Int64",
    [Number.MIN_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER].map((n) => [n, String(n)]),
  ],
  [
    "64-bit integers beyond 2^53",
    int64().nullable(),
    "Int64",
    [-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n].map((n) => [n, String(n)]),
  ],
  [
    "floating-point numbers to the last bit",
    z.number().nullable(),
    "Float64",
    [0.1, 5e-324, -1.7976931348623157e308, 1e21, 0.30000000000000004].map((n) => [n, String(n)]),
  ],
  [
    "booleans",
    z.boolean().nullable(),
    "Bool",
    [
      [true, "true"],
      [false, "false"],
    ],
  ],
  [
    "decimals of 38 digits, negative and short",
    decimal(38, 10).nullable(),
    "Decimal(38, 10)",
    [
      ["9".repeat(28) + "." + "9".repeat(10), "9".repeat(28) + "." + "9".repeat(10)],
      ["-0.0000000001", "-0.0000000001"],
      ["-12.5", "-12.5000000000"],
      ["0", "0.0000000000"],
      ["007", "7.0000000000"],
    ],
  ],
  [
    "decimals that are all fraction",
    decimal(4, 4).nullable(),
    "Decimal(4, 4)",
    [
      ["0.9999", "0.9999"],
      ["-.5", "-0.5000"],
    ],
  ],
  [
    "instants, to the millisecond",
    timestamp().nullable(),
    "DateTime64(6, 'UTC')",
    [
      [new Date("1900-01-01T00:00:00.000Z"), "1900-01-01 00:00:00.000000"],
      [new Date("1969-12-31T23:59:59.999Z"), "1969-12-31 23:59:59.999000"],
      [new Date("1970-01-01T00:00:00.005Z"), "1970-01-01 00:00:00.005000"],
      [new Date("2001-09-09T01:46:39.999Z"), "2001-09-09 01:46:39.999000"],
      [new Date("2001-09-09T01:46:40.000Z"), "2001-09-09 01:46:40.000000"],
      [new Date("2001-09-09T01:46:40.001Z"), "2001-09-09 01:46:40.001000"],
      [new Date("2286-11-20T17:46:39.999Z"), "2286-11-20 17:46:39.999000"],
      [new Date("2286-11-20T17:46:40.000Z"), "2286-11-20 17:46:40.000000"],
      [new Date("2299-12-31T23:59:59.999Z"), "2299-12-31 23:59:59.999000"],
    ],
  ],
  [
    "days",
    date().nullable(),
    "Date32",
    ["1900-01-01", "1969-12-31", "2024-02-29", "2299-12-31"].map((day) => [day, day]),
  ],
  [
    "documents",
    json(z.unknown()).nullable(),
    "String",
    [
      [{ b: 1, a: [1, "ä\u0000😀", null], "'\"": {} }, `{"b":1,"a":[1,"ä\\u0000😀",null],"'\\"":{}}`],
      ["text", `"text"`],
      [0, "0"],
      [false, "false"],
    ],
  ],
])("%s come back exactly, NULL too", async (_name, schema, type, values) => {
  const to = targetOf({ n: z.int32(), value: schema });
  const rows = [...values.map(([value]) => value), null].map((value, n) => ({ n, value }));
  const { rowCount } = await warehouse.publishRows(to, rows);
  expect(rowCount).toBe(BigInt(rows.length));
  const found = await warehouse.sql(`SELECT value, toTypeName(value) FROM ${to.schema}.x ORDER BY n`);
  const texts = found.map(([value]) => (type === "Float64" && value !== null ? String(Number(value)) : value));
  expect(texts).toEqual([...values.map(([, text]) => text), null]);
  expect(new Set(found.map(([, name]) => name))).toEqual(new Set([`Nullable(${type})`]));
});

test.each([
  ["an instant", timestamp(), new Date("1899-12-31T23:59:59.999Z")],
  ["an instant", timestamp(), new Date("2300-01-01T00:00:00.000Z")],
  ["an instant", timestamp(), new Date("-000001-01-01T00:00:00.000Z")],
  ["a day", date(), "0001-01-01"],
  ["a day", date(), "9999-12-31"],
])("%s that ClickHouse cannot keep is refused, and not changed silently", async (_name, schema, value) => {
  const to = targetOf({ value: schema });
  await expect(warehouse.publishRows(to, [{ value }])).rejects.toMatchObject({ code: "contract_broken" });
});

test("rows of many inserts are all there, once", async () => {
  const to = targetOf({ id: z.int32(), text: z.string() });
  const text = "x".repeat(200);
  const given = attempt();
  const writer = await warehouse.store.stageRows(to, given);
  for (let page = 0; page < 100; page += 1)
    await writer.append(Array.from({ length: 1_000 }, (_, index) => ({ id: page * 1_000 + index, text })));
  const staged = await writer.finish();
  expect((await staged.facts()).rowCount).toBe(100_000n);
  expect(
    await warehouse.sql(
      "SELECT count(), uniqExact(id), sum(id) FROM merge('_dagster_typescript', '^_stage~') WHERE text != ''",
    ),
  ).toEqual([["100000", "100000", "4999950000"]]);
  await staged.discard();
});

test("quarantined rows are kept for people, also when nothing is published, and replaced by the next run's", async () => {
  const to = targetOf({ id: z.int32() });
  const kept = (): Promise<unknown> =>
    warehouse.sql(
      `SELECT run_id, row_number, reason, value FROM _dagster_typescript.quarantine WHERE asset_key = '${to.assetKey}' ORDER BY row_number`,
    );
  const failing = await warehouse.store.stageRows(to, attempt({ runId: "one" }));
  failing.quarantine({ rowNumber: 1, reason: "it's bad", value: '{"a":"\\u0000"}' });
  failing.quarantine({ rowNumber: 2, reason: "bad too", value: "x" });
  await failing.fail();
  expect(await kept()).toEqual([
    ["one", "1", "it's bad", '{"a":"\\u0000"}'],
    ["one", "2", "bad too", "x"],
  ]);
  const next = await warehouse.store.stageRows(to, attempt({ runId: "two" }));
  next.quarantine({ rowNumber: 7, reason: "new", value: "y" });
  await (await next.finish()).discard();
  expect(await kept()).toEqual([["two", "7", "new", "y"]]);
  expect(await warehouse.leftovers()).toEqual([]);
});
