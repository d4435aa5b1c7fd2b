import { expect, test } from "vitest";
import { type Column, readColumn } from "../../../definitions/column_type.ts";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import { RowValidator } from "../../../runtime/validate_rows.ts";

const SHAPE = {
  id: z.string(),
  n: z.int32().nullable(),
  big: int64().nullable(),
  safe: z.int().nullable(),
  f: z.number().nullable(),
  price: decimal(5, 2).nullable(),
  at: timestamp().nullable(),
  day: date().nullable(),
  doc: json(z.unknown()).nullable(),
};
const GOOD = { id: "x", n: 1, big: 1n, safe: 1, f: 1, price: "1.00", at: new Date(0), day: "2024-02-29", doc: {} };

function validate(rows: readonly unknown[], shape: Readonly<Record<string, z.ZodType>> = SHAPE) {
  const columns = Object.entries(shape).map(([name, schema]): Column => {
    const result = readColumn(name, schema);
    if (!result.ok) throw new Error(result.message);
    return result.column;
  });
  return new RowValidator(z.strictObject(shape), columns).validate(rows);
}

test("a good row is handed on, with NULL where it may be", () => {
  const empty = { ...GOOD, n: null, big: null, safe: null, f: null, price: null, at: null, day: null, doc: null };
  expect(validate([GOOD, empty])).toEqual({ good: [GOOD, empty], bad: [] });
});

test.each<[string, unknown, RegExp, RegExp]>([
  ["NaN", { ...GOOD, f: Number.NaN }, /^f: /, /"f":"NaN"/],
  ["an infinity", { ...GOOD, f: Number.NEGATIVE_INFINITY }, /^f: /, /"f":"-Infinity"/],
  ["a fraction in an integer", { ...GOOD, n: 1.5 }, /^n: /, /"n":1.5/],
  ["more than 32 bits", { ...GOOD, n: 2 ** 31 }, /^n: /, /"n":2147483648/],
  ["more than 53 bits", { ...GOOD, safe: 2 ** 53 }, /^safe: /, /9007199254740992/],
  ["more than 64 bits", { ...GOOD, big: 2n ** 63n }, /^big: /, /"big":"9223372036854775808n"/],
  ["a number for a bigint", { ...GOOD, big: 1 }, /^big: /, /"big":1/],
  ["money with three digits", { ...GOOD, price: "1.005" }, /^price: .*DECIMAL\(5, 2\)/, /"price":"1.005"/],
  ["money too large", { ...GOOD, price: "1000.00" }, /^price: /, /"1000.00"/],
  ["money as a number", { ...GOOD, price: 1.5 }, /^price: /, /"price":1.5/],
  ["an invalid date", { ...GOOD, at: new Date(Number.NaN) }, /^at: /, /"at":"Invalid Date"/],
  ["a date as text", { ...GOOD, at: "2024-01-01T00:00:00Z" }, /^at: /, /"at":"2024/],
  ["no day", { ...GOOD, day: "2023-02-29" }, /^day: /, /2023-02-29/],
  ["half a surrogate pair", { ...GOOD, id: "a\ud800b" }, /^id: not well-formed/, /\\ud800/],
  ["half a pair in a document", { ...GOOD, doc: { a: "\udfff" } }, /^doc: not well-formed/, /\\udfff/],
  ["half a pair in the name of a document's property", { ...GOOD, doc: { "\ud800": 1 } }, /^doc: /, /\\ud800/],
  ["a bigint in a document", { ...GOOD, doc: [1n] }, /^doc: has no JSON form/, /"doc":\["1n"\]/],
  ["a function for a document", { ...GOOD, doc: () => 1 }, /^doc: has no JSON form/, /./],
  ["a missing column", { ...GOOD, id: undefined }, /^id: /, /"id":"undefined"/],
  ["a column more", { ...GOOD, "more;": 1 }, /more;/, /"more;":1/],
  ["NULL that may not be", { ...GOOD, id: null }, /^id: /, /"id":null/],
  ["nothing", undefined, /object/, /undefined/],
  ["null", null, /object/, /^null$/],
  ["a text", "row", /object/, /^"row"$/],
  ["a number", 5, /object/, /^5$/],
  ["a list", [GOOD], /object/, /^\[/],
  ["a symbol", Symbol("x"), /object/, /./],
  ["a map", new Map([["id", "x"]]), /^id: /, /./],
])("%s is refused with the column and the raw value", (_name, row, reason, value) => {
  const { good, bad } = validate([GOOD, row, GOOD]);
  expect(good).toHaveLength(2);
  expect(bad).toHaveLength(1);
  expect(bad[0]?.rowNumber).toBe(2);
  expect(bad[0]?.reason).toMatch(reason);
  expect(bad[0]?.value).toMatch(value);
});

test("a row that cannot even be read is refused, and the others are not", () => {
  const trap = {
    ...GOOD,
    get id(): string {
      throw new Error("trap");
    },
  };
  const circular: Record<string, unknown> = { ...GOOD };
  circular["doc"] = circular;
  const { good, bad } = validate([trap, circular, GOOD]);
  expect(good).toEqual([GOOD]);
  expect(bad.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("trap"),
    expect.stringContaining("has no JSON form"),
  ]);
});

test("a document that is never null is never null", () => {
  const { bad } = validate([{ doc: null }, { doc: undefined }, { doc: 0 }, { doc: "\\ud800 is text" }], {
    doc: json(z.unknown()),
  });
  expect(bad.map(({ rowNumber }) => rowNumber)).toEqual([1, 2]);
});

test("all that is wrong with a row is told at once, and huge rows and reasons are cut with a note", () => {
  const { bad } = validate([{ ...GOOD, n: 0.5, f: "x", id: 1 }]);
  expect(bad[0]?.reason).toMatch(/id: .*; n: .*; f: /);
  const huge = validate([{ ...GOOD, id: 1, f: "😀".repeat(50_000) }]).bad[0];
  expect(huge?.value.length).toBeLessThan(21_000);
  expect(huge?.value).toMatch(/characters\)$/);
  expect(huge?.value.isWellFormed()).toBe(true);
  const names = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`surplus_${index}`, 1]));
  expect(validate([{ ...GOOD, ...names }]).bad[0]?.reason.length).toBeLessThan(2_100);
});

test("rows are numbered through all pages", () => {
  const validator = new RowValidator(z.strictObject({ id: z.string() }), []);
  validator.validate([{ id: "a" }, { id: "b" }]);
  expect(validator.validate([{ id: "c" }, { id: 1 }]).bad[0]?.rowNumber).toBe(4);
  expect(validator.seen).toBe(4);
});

test("defaults and trims of the contract reach the store", () => {
  const shape = { id: z.string().trim(), n: z.int32().default(7) };
  expect(validate([{ id: " a " }], shape).good).toEqual([{ id: "a", n: 7 }]);
});
