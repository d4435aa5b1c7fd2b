import { mkdtempSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { date, decimal, int64, json, parquet, timestamp, z } from "../../../definitions/index.ts";
import type { Arrivals, ArrivalsQuery } from "../../../definitions/tick.ts";
import { postgresSource } from "../../../resources/postgres/source.ts";
import { literal } from "../../../resources/quote.ts";
import { arrivalsOfPostgres } from "../../../resources/stores.ts";
import { attempt, publish, targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
beforeEach(() => server.sql(`DROP SCHEMA IF EXISTS a CASCADE`));
afterAll(() => server.stop());

async function writeParquet(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'; COPY (${query}) TO ${literal(path)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

test("doubles become decimals by rounding half away from zero, and times without a zone are UTC", async () => {
  const warehouse = new Warehouse(server);
  const path = join(server.folder, "x.parquet");
  await writeParquet(
    path,
    `SELECT unnest([0.125, -0.125, 0.375, 1.1, 1e9])::DOUBLE AS v, TIMESTAMP '2017-01-01 23:59:59.123456' AS "at"`,
  );
  await warehouse.publishCopy(targetOf({ v: decimal(12, 2), at: timestamp() }), path);
  expect(await warehouse.sql(`SELECT v, "at" FROM a.x`)).toEqual(
    ["0.13", "-0.13", "0.38", "1.10", "1000000000.00"].map((v) => [v, "2017-01-01 23:59:59.123456+00"]),
  );
});

test("columns are taken by name or by the name that they have there; others are left", async () => {
  const warehouse = new Warehouse(server);
  const path = join(server.folder, "x.parquet");
  await writeParquet(path, `SELECT 'left' AS unused, 2 AS b, 1 AS "it's ""a""; --"`);
  await warehouse.publishCopy(targetOf({ a: z.int32(), b: z.string() }), "x.parquet", { a: `it's "a"; --` });
  expect(await warehouse.sql("SELECT a, b FROM a.x")).toEqual([["1", "2"]]);
});

test.each([`it's; "odd" 😀.parquet`, "with space.parquet", "$1.parquet", "100%.parquet", "a--b.parquet"])(
  "the file %j is read",
  async (name) => {
    const warehouse = new Warehouse(server);
    await writeParquet(join(server.folder, name), "SELECT 1 AS a");
    expect((await warehouse.publishCopy(targetOf({ a: z.int32() }), name)).rowCount).toBe(1n);
  },
);

test("rows so wide that a few of them fill the memory for copying are published all the same", async () => {
  const warehouse = new Warehouse(server);
  const path = join(server.folder, "x.parquet");
  await writeParquet(path, "SELECT range AS id, repeat(chr(97 + range::INT % 26), 500000) AS v FROM range(300)");
  const facts = await warehouse.publishCopy(targetOf({ id: z.int(), v: z.string() }), path);
  expect(facts.rowCount).toBe(300n);
  expect(await warehouse.sql("SELECT count(*), sum(length(v)) FROM a.x")).toEqual([["300", "150000000"]]);
});

test("a missing file, a missing column and a file of another kind are named", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(targetOf({ a: z.int32() }), [{ a: 7 }]);
  const path = join(server.folder, "x.parquet");
  await writeParquet(path, "SELECT 1 AS a");
  await expect(warehouse.publishCopy(targetOf({ a: z.int32() }), "gone.parquet")).rejects.toThrow(/gone\.parquet/);
  await expect(warehouse.publishCopy(targetOf({ lost: z.int32() }), path)).rejects.toThrow(/lost/);
  await expect(warehouse.publishCopy(targetOf({ a: z.int32() }), join(server.folder, "data", "log"))).rejects.toThrow(
    /[Pp]arquet|magic/,
  );
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([["7"]]);
});

test.each([
  ["text that is no number", "SELECT 'abc' AS a", z.int32()],
  ["a number too large", "SELECT 3000000000 AS a", z.int32()],
  ["a decimal too large", "SELECT 12345.6::DOUBLE AS a", decimal(4, 2)],
  ["infinite money", "SELECT 'inf'::DOUBLE AS a", decimal(12, 2)],
  ["NULL that may not be", "SELECT NULL::INT AS a", z.int32()],
  ["text that is no document", "SELECT '{' AS a", json(z.unknown())],
])("%s fails the copy and leaves the table", async (_name, query, schema) => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(targetOf({ a: z.int32() }), [{ a: 7 }]);
  const path = join(server.folder, "x.parquet");
  await writeParquet(path, query);
  await expect(warehouse.publishCopy(targetOf({ a: schema }), path)).rejects.toMatchObject({
    code: "statement_failed",
  });
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([["7"]]);
});

test("texts of any kind, NULL and the empty text, and numbers to their limits come through as they are", async () => {
  const warehouse = new Warehouse(server);
  const path = join(server.folder, "any.parquet");
  const texts = ["", "\\N", "\\.", "NULL", 'a"b', "it's", "a,b", "x\r\ny", "\t", " padded ", "😀", "\\"];
  const list = texts.map((text, n) => `(${n}, ${literal(text)})`).join(", ");
  await writeParquet(path, `SELECT * FROM (VALUES ${list}, (99, NULL)) AS v(n, t)`);
  const target = targetOf({ n: z.int32(), t: z.string().nullable() });
  await warehouse.publishCopy(target, path);
  expect((await warehouse.sql("SELECT t FROM a.x ORDER BY n")).flat()).toEqual([...texts, null]);
  // One column alone, where an end of the data could be taken for it.
  await warehouse.publishCopy(targetOf({ t: z.string().nullable() }), path);
  expect(await warehouse.sql("SELECT count(*), count(t), max(length(t)) FROM a.x")).toEqual([
    [String(texts.length + 1), String(texts.length), "8"],
  ]);
  await writeParquet(
    path,
    `SELECT -9223372036854775808 AS big, 5e-324::DOUBLE AS tiny, 'nan'::DOUBLE AS "nan", true AS flag,
      '{"a": [1.0, "\\u0000"]}'::JSON AS doc, DATE '0001-01-01' AS day, TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' AS "at",
      (repeat('9', 28) || '.0123456789')::DECIMAL(38, 10) AS money`,
  );
  const shape = {
    big: int64(),
    tiny: z.number(),
    nan: z.number(),
    flag: z.boolean(),
    doc: json(z.unknown()),
    day: date(),
    at: timestamp(),
    money: decimal(38, 10),
  };
  await warehouse.publishCopy(targetOf(shape), path);
  expect(await warehouse.sql("SELECT * FROM a.x")).toEqual([
    [
      "-9223372036854775808",
      "5e-324",
      "NaN",
      "true",
      String.raw`{"a": [1.0, "\u0000"]}`,
      "0001-01-01",
      "9999-12-31 23:59:59.999999+00",
      "9".repeat(28) + ".0123456789",
    ],
  ]);
});

test("a text with a NUL character is refused by name, and an aborted copy ends without a trace", async () => {
  const warehouse = new Warehouse(server);
  const path = join(server.folder, "nul.parquet");
  await writeParquet(path, "SELECT 'a' || chr(0) || 'b' AS t");
  await expect(warehouse.publishCopy(targetOf({ t: z.string() }), path)).rejects.toMatchObject({
    code: "unstorable_text",
  });
  await writeParquet(path, "SELECT range AS n FROM range(8000000)");
  const folder = mkdtempSync(join(server.folder, "tmp-"));
  vi.stubEnv("TMPDIR", folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const stop = new AbortController();
  const copying = warehouse.store.stageCopy(
    targetOf({ n: z.int() }),
    parquet(path),
    new Map(),
    attempt({ signal: stop.signal }),
  );
  const ending = expect(copying).rejects.toThrow("enough");
  await vi.waitUntil(
    async () => (await warehouse.sql("SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 0")).length > 0,
    { timeout: 60_000 },
  );
  stop.abort(new Error("enough"));
  await ending;
  expect(await warehouse.stagingTables()).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
  const missing = warehouse.publishCopy(targetOf({ n: z.int() }), "gone.parquet");
  await expect(missing).rejects.toMatchObject({ code: "statement_failed" });
  expect(readdirSync(folder)).toEqual([]);
});

test("a sensor counts the rows of a table that no asset makes, on the clock of UTC and by days too", async () => {
  const source = { schema: "a", table: "orders", variable: "SHOP_URL" };
  const look = async (change: Partial<ArrivalsQuery> = {}): Promise<Arrivals | null> =>
    await arrivalsOfPostgres(
      source,
      {
        ...{ time: "sold_at", arrived: "changed_at", seconds: 3600, from: null, lagMs: 0 },
        ...{ notAfter: new Date("2018-01-01T00:00:00Z"), ...change },
      },
      { SHOP_URL: server.url },
      new AbortController().signal,
    );
  expect(await look(), "without the table").toBeNull();
  await server.sql(`CREATE SCHEMA a; CREATE TABLE a.orders (sold_at timestamp, day date, changed_at timestamptz);
    INSERT INTO a.orders VALUES ('2017-01-02 03:04:05', '2017-01-02', '2017-01-02 04:00:00+01')`);
  const hour = Date.UTC(2017, 0, 2, 3) / 1000;
  expect(await look()).toMatchObject({
    isDay: false,
    newest: "2017-01-02T03:00:00.000000Z",
    groups: [{ start: hour }],
  });
  const day = { start: Date.UTC(2017, 0, 2) / 1000, rowCount: 1, keptCount: 1 };
  expect(await look({ time: "day", seconds: 86_400 })).toMatchObject({ isDay: true, groups: [day] });
  expect(await look({ arrived: "sold_at", from: "2017-01-02T03:04:05.000000Z" })).toMatchObject({
    groups: [{ start: hour, rowCount: 1 }],
  });
  await expect(look({ time: "lost" })).rejects.toThrow(/lost/);
});

test("a column of a domain is copied, and held to the contract, as one of the type below it", async () => {
  const warehouse = new Warehouse(server);
  const { schema } = warehouse;
  await warehouse.sql(`CREATE SCHEMA ${schema}; CREATE DOMAIN ${schema}.price AS numeric(12, 4);
    CREATE DOMAIN ${schema}.net AS ${schema}.price CHECK (value > 0); CREATE DOMAIN ${schema}.doc AS text;
    CREATE TABLE {source} (paid ${schema}.net, doc ${schema}.doc, docs ${schema}.doc[], total numeric(12, 4) GENERATED ALWAYS AS (paid * 2) STORED);
    INSERT INTO {source} VALUES (1.5, '{"a":1}', ARRAY['x'])`);
  const source = postgresSource({ schema, table: "source", variable: "DATABASE_URL" }, { DATABASE_URL: server.url });
  const given = attempt();
  const price = { kind: "decimal", precision: 12, scale: 4 };
  const found = await source.columns({ ...given, assetKey: "a/x" });
  expect(found.map(({ name, type }) => [name, type])).toEqual([
    ["paid", price],
    ["doc", { kind: "string" }],
    ["docs", null],
    ["total", price],
  ]);
  const target = warehouse.target({
    paid: decimal(12, 4),
    doc: json(z.unknown()),
    docs: json(z.unknown()),
    total: decimal(12, 4),
  });
  await publish(await warehouse.store.stageCopy(target, source, new Map(), given), target, given);
  expect(await warehouse.sql("SELECT * FROM {x}")).toEqual([["1.5000", '{"a":1}', '["x"]', "3.0000"]]);
});
