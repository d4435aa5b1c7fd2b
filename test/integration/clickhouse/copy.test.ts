import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import { Warehouse } from "./warehouse.ts";
import { targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();

test("a Parquet file is copied with exact casts, renamed columns and NULLs, whatever its types", async () => {
  const path = join(warehouse.dir, "x.parquet");
  await warehouse.parquet(
    path,
    `SELECT toInt64(n) AS id, if(n = 2, NULL, toFloat64(n) + 0.125) AS price, toDecimal64('-1.235', 3) AS exact,
      concat('t', toString(n), '\\0', 'ü') AS text, toDateTime64('2017-01-02 03:04:05.678901', 6, 'UTC') AS sold,
      toDate32('1969-12-31') AS day, toString(n) AS number, '{"a":[1]}' AS doc
      FROM (SELECT number + 1 AS n FROM numbers(3))`,
  );
  const to = targetOf({
    id: z.int32(),
    price: decimal(12, 2).nullable(),
    exact: decimal(12, 2),
    text: z.string(),
    sold_at: timestamp(),
    day: date(),
    number: int64(),
    doc: json(z.unknown()),
  });
  const facts = await warehouse.publishCopy(to, path, { sold_at: "sold" });
  expect(facts.rowCount).toBe(3n);
  expect(
    await warehouse.sql(
      `SELECT id, price, exact, hex(text), sold_at, day, number, doc FROM ${to.schema}.x ORDER BY id`,
    ),
  ).toEqual(
    ["1", "2", "3"].map((id) => [
      id,
      id === "2" ? null : `${id}.13`,
      "-1.24",
      Buffer.from(`t${id}\0ü`).toString("hex").toUpperCase(),
      "2017-01-02 03:04:05.678901",
      "1969-12-31",
      id,
      '{"a":[1]}',
    ]),
  );
});

test("bytes that are no UTF-8 are copied as they are", async () => {
  const path = join(warehouse.dir, "bytes.parquet");
  await warehouse.parquet(path, "SELECT unhex('FF00FE') AS text");
  const to = targetOf({ text: z.string() });
  await warehouse.publishCopy(to, path);
  expect(await warehouse.sql(`SELECT hex(text) FROM ${to.schema}.x`)).toEqual([["FF00FE"]]);
});

test("many row groups and many columns are copied", async () => {
  const path = join(warehouse.dir, "wide.parquet");
  const names = Array.from({ length: 400 }, (_, index) => `a_rather_long_column_name_${index}`);
  await warehouse.parquet(
    path,
    `SELECT ${names.map((name, index) => `number + ${index} AS ${name}`).join(", ")} FROM numbers(5000)
      SETTINGS output_format_parquet_row_group_size = 100`,
  );
  const to = targetOf(Object.fromEntries(names.map((name) => [name, int64()])));
  expect((await warehouse.publishCopy(to, path)).rowCount).toBe(5000n);
  expect(await warehouse.sql(`SELECT sum(${names[0] ?? ""}), sum(${names[399] ?? ""}) FROM ${to.schema}.x`)).toEqual([
    ["12497500", "14492500"],
  ]);
});

test.each([
  ["text that is no number", "SELECT 'abc' AS a", z.int32()],
  ["a number too large", "SELECT 3000000000 AS a", z.int32()],
  ["a fraction", "SELECT 1.5::Float64 AS a", z.int32()],
  ["a decimal too large", "SELECT 12345.6::Float64 AS a", decimal(4, 2)],
  ["infinite money", "SELECT inf AS a", decimal(12, 2)],
  ["NULL that may not be", "SELECT CAST(NULL AS Nullable(Int32)) AS a", z.int32()],
  ["text that is no document", "SELECT '{' AS a", json(z.unknown())],
])("%s fails the copy, not to be retried, and leaves the table", async (name, query, schema) => {
  const path = join(warehouse.dir, `${name}.parquet`);
  await warehouse.parquet(path, query);
  const before = targetOf({ a: z.int32() });
  await warehouse.publishRows(before, [{ a: 7 }]);
  const to = targetOf({ a: schema }, { kind: "replace" }, before.assetKey);
  await expect(warehouse.publishCopy(to, path)).rejects.toMatchObject({ retryable: false });
  expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x`)).toEqual([["7"]]);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("a file that is missing, is no Parquet file or lacks a column is named", async () => {
  const to = targetOf({ lost: z.int32() });
  await expect(warehouse.publishCopy(to, "gone.parquet")).rejects.toMatchObject({
    code: "bad_source",
    message: expect.stringContaining("gone.parquet") as unknown,
  });
  for (const [name, content] of Object.entries({ empty: "", short: "PAR1", text: "a,b\n1,2\nnot parquet" })) {
    writeFileSync(join(warehouse.dir, name), content);
    await expect(warehouse.publishCopy(to, name)).rejects.toMatchObject({ code: "bad_source" });
  }
  const path = join(warehouse.dir, "other.parquet");
  await warehouse.parquet(path, "SELECT 1 AS a");
  await expect(warehouse.publishCopy(to, path)).rejects.toThrow(/"lost".*"a"/);
  expect(await warehouse.leftovers()).toEqual([]);
});
