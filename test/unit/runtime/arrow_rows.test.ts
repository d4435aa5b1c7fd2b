import {
  type DataType,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  makeVector,
  type RecordBatch,
  Struct,
  Table,
  tableFromArrays,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { type Column, readColumn } from "../../../definitions/column_type.ts";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import { arrowPages, isArrow } from "../../../runtime/arrow_rows.ts";

function column(schema: z.ZodType): Column {
  const result = readColumn("c", schema);
  if (!result.ok) throw new Error(result.message);
  return result.column;
}

/** The values of a vector, as rows of the contract have them. */
function read(vector: Vector, schema: z.ZodType): unknown[] {
  const pages = [...arrowPages(new Table({ c: vector }), [column(schema)])];
  return pages.flat().map((row) => row["c"]);
}

function raw(type: DataType, data: BigInt64Array | Uint32Array | Int32Array, length = data.length): Vector {
  return makeVector(makeData({ type, length, data } as never));
}

describe("instants of every unit are cut down to the millisecond, also before 1970", () => {
  const iso = (vector: Vector): (string | undefined)[] =>
    read(vector, timestamp()).map((value) => (value as Date | null)?.toISOString());
  test("seconds", () => {
    expect(iso(raw(new TimestampSecond(), BigInt64Array.of(-1n, 0n, 253_402_300_799n)))).toEqual([
      "1969-12-31T23:59:59.000Z",
      "1970-01-01T00:00:00.000Z",
      "9999-12-31T23:59:59.000Z",
    ]);
  });
  test("milliseconds", () => {
    expect(iso(raw(new TimestampMillisecond(), BigInt64Array.of(-1n, 253_402_300_799_999n)))).toEqual([
      "1969-12-31T23:59:59.999Z",
      "9999-12-31T23:59:59.999Z",
    ]);
  });
  test("microseconds", () => {
    expect(iso(raw(new TimestampMicrosecond("UTC"), BigInt64Array.of(-1n, 1_999n, -1_500n)))).toEqual([
      "1969-12-31T23:59:59.999Z",
      "1970-01-01T00:00:00.001Z",
      "1969-12-31T23:59:59.998Z",
    ]);
  });
  test("nanoseconds", () => {
    expect(iso(raw(new TimestampNanosecond(), BigInt64Array.of(-1n, 1_999_999n, 1_704_067_200_123_456_789n)))).toEqual([
      "1969-12-31T23:59:59.999Z",
      "1970-01-01T00:00:00.001Z",
      "2024-01-01T00:00:00.123Z",
    ]);
  });
  test("days, as instants", () => {
    expect(iso(vectorFromArray([new Date("2024-02-29")], new DateDay()))).toEqual(["2024-02-29T00:00:00.000Z"]);
  });
});

test("days of both units become YYYY-MM-DD", () => {
  const days = [new Date("1969-12-31"), null, new Date("2024-02-29")];
  const expected = ["1969-12-31", null, "2024-02-29"];
  expect(read(vectorFromArray(days, new DateDay()), date())).toEqual(expected);
  expect(read(vectorFromArray(days, new DateMillisecond()), date())).toEqual(expected);
});

test("decimals of 128 and 256 bits become their digits, the sign too", () => {
  const words = (...values: bigint[]): Uint32Array =>
    Uint32Array.from(
      values.flatMap((value) => [0n, 32n, 64n, 96n].map((by) => Number(BigInt.asUintN(32, value >> by)))),
    );
  const read128 = (scale: number, schema: z.ZodType, ...values: bigint[]): unknown[] =>
    read(raw(new Decimal(scale, 38, 128), words(...values), values.length), schema);
  expect(read128(2, decimal(12, 2), -150n, 5n, 0n, -5n)).toEqual(["-1.50", "0.05", "0.00", "-0.05"]);
  expect(read128(10, decimal(38, 10), 10n ** 38n - 1n, -(10n ** 38n - 1n))).toEqual([
    `${"9".repeat(28)}.${"9".repeat(10)}`,
    `-${"9".repeat(28)}.${"9".repeat(10)}`,
  ]);
  expect(read128(0, decimal(38, 0), -7n)).toEqual(["-7"]);
  // Zeros beyond the contract's scale say nothing; other digits stay, so that validation refuses the row.
  expect(read128(4, decimal(12, 2), 15_000n, 15_001n)).toEqual(["1.50", "1.5001"]);
  expect(read128(3, decimal(12, 0), 15_000n)).toEqual(["15"]);
  const wide = Uint32Array.from(
    [0n, 32n, 64n, 96n, 128n, 160n, 192n, 224n].map((by) => Number(BigInt.asUintN(32, -150n >> by))),
  );
  expect(read(raw(new Decimal(2, 76, 256), wide, 1), decimal(12, 2))).toEqual(["-1.50"]);
});

test("64-bit integers become numbers where the contract has numbers and bigints where it has bigints", () => {
  const vector = vectorFromArray([1n, null, 9_007_199_254_740_993n], new Int64());
  expect(read(vector, z.int())).toEqual([1, null, 9_007_199_254_740_993n]);
  expect(read(vector, int64())).toEqual([1n, null, 9_007_199_254_740_993n]);
  expect(read(vectorFromArray([5], new Int32()), int64())).toEqual([5n]);
  expect(read(vectorFromArray([2n ** 64n - 1n], new Uint64()), int64())).toEqual([2n ** 64n - 1n]);
  expect(read(vectorFromArray([1.5], new Float64()), int64())).toEqual([1.5]);
});

test("texts, in dictionaries too, booleans and floats stay as they are", () => {
  const type = new Dictionary(new Utf8(), new Int32());
  expect(read(vectorFromArray(["a", null, "b\0", "a"], type), z.string())).toEqual(["a", null, "b\0", "a"]);
  expect(read(vectorFromArray([true, null, false]), z.boolean())).toEqual([true, null, false]);
  expect(read(vectorFromArray([1.5, null, Number.NaN], new Float64()), z.number())).toEqual([1.5, null, Number.NaN]);
});

test("lists and structs become plain documents, whatever is nested in them", () => {
  const list = new List(new Field("item", new Int64()));
  const struct = new Struct<{ a: Int64; b: typeof list }>([new Field("a", new Int64()), new Field("b", list)] as never);
  const vector = vectorFromArray([{ a: 1n, b: [2n, 2n ** 60n] }, null] as never, struct as never);
  expect(read(vector, json(z.unknown()))).toEqual([{ a: 1, b: [2, 2n ** 60n] }, null]);
});

test("tables and record batches are told apart from rows and pages", () => {
  const table = tableFromArrays({ c: Int32Array.of(1) });
  expect([table, table.batches[0]].map(isArrow)).toEqual([true, true]);
  expect([null, undefined, {}, [], { numRows: 1, schema: {} }, "x", 1].map(isArrow)).toEqual(Array(7).fill(false));
});

test("a batch is read to its last row, in pages; a slice from its first", () => {
  const table = tableFromArrays({ c: Int32Array.from({ length: 20_000 }, (_, index) => index) });
  const pages = [...arrowPages(table, [column(z.int32())])];
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.flat().map((row) => row["c"])).toEqual(Array.from({ length: 20_000 }, (_, index) => index));
  expect([...arrowPages(table.slice(19_998), [column(z.int32())])].flat()).toEqual([{ c: 19_998 }, { c: 19_999 }]);
  const batch = table.batches[0] as RecordBatch;
  expect([...arrowPages(batch.slice(5, 6), [column(z.int32())])]).toEqual([[{ c: 5 }]]);
});

test("columns beyond the contract are handed on, so that validation refuses them", () => {
  const table = tableFromArrays({ c: Int32Array.of(1), extra: ["x"] });
  expect([...arrowPages(table, [column(z.int32())])].flat()).toEqual([{ c: 1, extra: "x" }]);
});

test("an empty batch has no pages", () => {
  const empty = tableFromArrays({ c: Int32Array.of() });
  expect([...arrowPages(empty, [column(z.int32())])]).toEqual([]);
});

test("new columns have the type that Arrow says, and one without an exact type is refused", () => {
  const vectors = {
    id: vectorFromArray([1], new Int32()),
    word: vectorFromArray(["a"]),
    price: vectorFromArray([1.5], new Float64()),
    at: vectorFromArray([0], new TimestampMillisecond("UTC")),
  };
  const told = new Map<string, unknown>();
  const news = { declare: (name: string, type: unknown) => told.set(name, type) };
  const [page] = [...arrowPages(new Table(vectors), [], news)];
  expect([...told]).toEqual([
    ["id", { kind: "int64" }],
    ["word", { kind: "string" }],
    ["price", { kind: "float64" }],
    ["at", { kind: "timestamp" }],
  ]);
  expect(page?.[0]).toEqual({ id: 1n, word: "a", price: 1.5, at: new Date(0) });
  for (const type of [new TimestampMicrosecond("UTC"), new TimestampMillisecond(), new Uint64()]) {
    const odd = new Table({ odd: vectorFromArray([null], type as DataType) });
    expect(() => [...arrowPages(odd, [], news)]).toThrow(/"odd" is .* in Arrow/);
  }
});
