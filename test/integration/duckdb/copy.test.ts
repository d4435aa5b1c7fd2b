import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { decimal, json, timestamp, z } from "../../../definitions/index.ts";
import { literal } from "../../../resources/quote.ts";
import { targetOf, Warehouse } from "./warehouse.ts";

async function writeParquet(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'; COPY (${query}) TO ${literal(path)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

test("doubles become decimals by rounding half away from zero, and times without a zone are UTC", async () => {
  const warehouse = new Warehouse();
  const path = join(warehouse.dir, "x.parquet");
  await writeParquet(
    path,
    `SELECT unnest([0.125, -0.125, 0.375, 1.1, 1e9])::DOUBLE AS v, TIMESTAMP '2017-01-01 23:59:59.123456' AS "at"`,
  );
  await warehouse.publishCopy(targetOf({ v: decimal(12, 2), at: timestamp() }), path);
  expect(await warehouse.sql(`SELECT CAST(v AS VARCHAR), CAST("at" AS VARCHAR) FROM a.x`)).toEqual(
    ["0.13", "-0.13", "0.38", "1.10", "1000000000.00"].map((v) => [v, "2017-01-01 23:59:59.123456+00"]),
  );
});

test("columns are taken by name or by the name that they have there; others are left", async () => {
  const warehouse = new Warehouse();
  const path = join(warehouse.dir, "x.parquet");
  await writeParquet(path, `SELECT 'left' AS unused, 2 AS b, 1 AS "it's ""a""; --"`);
  await warehouse.publishCopy(targetOf({ a: z.int32(), b: z.string() }), "x.parquet", { a: `it's "a"; --` });
  expect(await warehouse.sql("SELECT a, b FROM a.x")).toEqual([["1", "2"]]);
});

test.each([`it's; "odd" 😀.parquet`, "with space.parquet", "$1.parquet", "100%.parquet", "a--b.parquet"])(
  "the file %j is read",
  async (name) => {
    const warehouse = new Warehouse();
    await writeParquet(join(warehouse.dir, name), "SELECT 1 AS a");
    expect((await warehouse.publishCopy(targetOf({ a: z.int32() }), name)).rowCount).toBe(1n);
  },
);

test("rows so wide that a few of them fill the memory for copying are published all the same", async () => {
  const warehouse = new Warehouse();
  const path = join(warehouse.dir, "x.parquet");
  await writeParquet(path, "SELECT range AS id, repeat(chr(97 + range::INT % 26), 500000) AS v FROM range(300)");
  const facts = await warehouse.publishCopy(targetOf({ id: z.int(), v: z.string() }), path);
  expect(facts.rowCount).toBe(300n);
  expect(await warehouse.sql("SELECT count(*), sum(length(v)) FROM a.x")).toEqual([["300", "150000000"]]);
});

test("a missing file, a missing column and a file of another kind are named", async () => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(targetOf({ a: z.int32() }), [{ a: 7 }]);
  const path = join(warehouse.dir, "x.parquet");
  await writeParquet(path, "SELECT 1 AS a");
  await expect(warehouse.publishCopy(targetOf({ a: z.int32() }), "gone.parquet")).rejects.toThrow(/gone\.parquet/);
  await expect(warehouse.publishCopy(targetOf({ lost: z.int32() }), path)).rejects.toThrow(/lost/);
  await expect(warehouse.publishCopy(targetOf({ a: z.int32() }), warehouse.path)).rejects.toThrow(/[Pp]arquet|magic/);
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([["7"]]);
});

test.each([
  ["text that is no number", "SELECT 'abc' AS a", z.int32(), "statement_failed"],
  ["a number too large", "SELECT 3000000000 AS a", z.int32(), "value_out_of_range"],
  ["a decimal too large", "SELECT 12345.6::DOUBLE AS a", decimal(4, 2), "value_out_of_range"],
  ["infinite money", "SELECT 'inf'::DOUBLE AS a", decimal(12, 2), "value_out_of_range"],
  ["NULL that may not be", "SELECT NULL::INT AS a", z.int32(), "statement_failed"],
  ["text that is no document", "SELECT '{' AS a", json(z.unknown()), "statement_failed"],
])("%s fails the copy and leaves the table", async (_name, query, schema, code) => {
  const warehouse = new Warehouse();
  await warehouse.publishRows(targetOf({ a: z.int32() }), [{ a: 7 }]);
  const path = join(warehouse.dir, "x.parquet");
  await writeParquet(path, query);
  await expect(warehouse.publishCopy(targetOf({ a: schema }), path)).rejects.toMatchObject({ code });
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([["7"]]);
});
