import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import { literal } from "../../../resources/quote.ts";
import { HyperServer } from "./warehouse.ts";

const server = HyperServer.forThisFile();

async function writeParquet(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'; COPY (${query}) TO ${literal(path)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

test("wide types of a Parquet file become the narrow ones of the contract, exactly", async () => {
  const warehouse = await server.open();
  const path = join(server.dir, "wide.parquet");
  await writeParquet(
    path,
    `SELECT 7::BIGINT AS i, 9223372036854775807 AS b, 0.1::DOUBLE AS f, true AS t, 'é😀' AS s, '{"a": 1}' AS j,
      DATE '2024-02-29' AS d, TIMESTAMPTZ '1969-12-31 23:59:59.123456+00' AS "at", 12345678901234567.89::DECIMAL(38,2) AS m`,
  );
  await warehouse.publishCopy(
    warehouse.target({
      ...{ i: z.int32(), b: int64(), f: z.number(), t: z.boolean(), s: z.string(), j: json(z.unknown()) },
      ...{ d: date(), at: timestamp(), m: decimal(38, 2) },
    }),
    path,
  );
  expect(await warehouse.sql(`SELECT i, b, f, t, s, j, d, at, m FROM ${warehouse.schema}.x`)).toEqual([
    ["7", "9223372036854775807", "0.1", "t", "é😀", '{"a": 1}', "2024-02-29"].concat(
      "1969-12-31 23:59:59.123456+00",
      "12345678901234567.89",
    ),
  ]);
});

test("doubles become decimals by rounding half away from zero, and times without a zone are UTC", async () => {
  const warehouse = await server.open();
  const path = join(server.dir, "doubles.parquet");
  await writeParquet(
    path,
    `SELECT unnest([0.125, -0.125, 0.375, 1.1, 1e9])::DOUBLE AS v, TIMESTAMP '2017-01-01 23:59:59.123456' AS "at"`,
  );
  await warehouse.publishCopy(warehouse.target({ v: decimal(12, 2), at: timestamp() }), path);
  expect(await warehouse.sql(`SELECT v, at FROM ${warehouse.schema}.x ORDER BY v`)).toEqual(
    ["-0.13", "0.13", "0.38", "1.10", "1000000000.00"].map((v) => [v, "2017-01-01 23:59:59.123456+00"]),
  );
});

test("columns are taken by name or by the name that they have there; others are left", async () => {
  const warehouse = await server.open();
  await writeParquet(join(server.dir, "names.parquet"), `SELECT 'left' AS unused, 2 AS b, 1 AS "it's ""a""; --"`);
  const target = warehouse.target({ a: z.int32(), b: z.string() });
  await warehouse.publishCopy(target, "names.parquet", { a: `it's "a"; --` });
  expect(await warehouse.sql(`SELECT a, b FROM ${warehouse.schema}.x`)).toEqual([["1", "2"]]);
});

test.each([
  `it's; "odd" 😀.parquet`,
  "with space.parquet",
  "$1.parquet",
  "100%.parquet",
  "a--b.parquet",
  "back\\.parquet",
])("the file %j is read", async (name) => {
  const warehouse = await server.open();
  await writeParquet(join(server.dir, name), "SELECT 1 AS a");
  expect((await warehouse.publishCopy(warehouse.target({ a: z.int32() }), name)).rowCount).toBe(1n);
});

test("a missing file, a missing column and a file of another kind are named, and the table stays", async () => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.target({ a: z.int32() }), [{ a: 7 }]);
  const path = join(server.dir, "one.parquet");
  await writeParquet(path, "SELECT 1 AS a");
  await expect(warehouse.publishCopy(warehouse.target({ a: z.int32() }), "gone.parquet")).rejects.toThrow(
    /gone\.parquet.*on the machine of the Hyper server/s,
  );
  await expect(warehouse.publishCopy(warehouse.target({ lost: z.int32() }), path)).rejects.toThrow(/lost/);
  await expect(
    warehouse.publishCopy(warehouse.target({ a: z.int32() }), join(server.dir, "engine/password")),
  ).rejects.toThrow(/parquet|Parquet|magic/);
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["7"]]);
});

test.each([
  ["text that is no number", "SELECT 'abc' AS a", z.int32()],
  ["a number too large", "SELECT 3000000000 AS a", z.int32()],
  ["a decimal too large", "SELECT 12345.6::DOUBLE AS a", decimal(4, 2)],
  ["infinite money", "SELECT 'inf'::DOUBLE AS a", decimal(12, 2)],
  ["NULL that may not be", "SELECT NULL::INT AS a", z.int32()],
  ["text that is no document", "SELECT '{' AS a", json(z.unknown())],
])("%s fails the copy and leaves the table", async (_name, query, schema) => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.target({ a: z.int32() }), [{ a: 7 }]);
  const path = join(server.dir, "bad.parquet");
  await writeParquet(path, query);
  await expect(warehouse.publishCopy(warehouse.target({ a: schema }), path)).rejects.toMatchObject({
    code: "value_refused",
  });
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["7"]]);
});
