import { expect, test } from "vitest";
import { parseNumber } from "../../../resources/validation/parse_number.ts";
import { scaled, tryScaleNumber } from "../../../resources/validation/scaled.ts";

test.each([
  ["1,234.50", "1234.50"],
  ["$1,234.50", "1234.50"],
  ["1,234.50 USD", "1234.50"],
  ["-$5", "-5"],
  ["($1,234.50)", "-1234.50"],
  ["12.5-", "-12.5"],
  ["\u221212.5", "-12.5"],
  ["12.5%", "0.125"],
  ["100 %", "1.00"],
  ["1 234 567", "1234567"],
  ["1\u202f234.5", "1234.5"],
  ["1'234", "1234"],
  [".5", "0.5"],
  ["1e3", "1000"],
  ["1.5E-3", "0.0015"],
  ["+7", "7"],
])("%j is %s", (text, number) => {
  expect(parseNumber(text, ".")).toBe(number);
});

test.each(["", "-", "n/a", "1,5", "12,34,567", "1.2.3", "(-5)", "5 apples", "1,234,5", "0x10", "--5"])(
  "%j is no number, and is not guessed",
  (text) => {
    expect(parseNumber(text, ".")).toBeUndefined();
  },
);

test("with a decimal comma the point groups", () => {
  expect(parseNumber("(1.234,50 \u20ac)", ",")).toBe("-1234.50");
  expect(parseNumber("1.5", ",")).toBeUndefined();
});

test("a number is put into units of its scale without a loss, from a text or a double", () => {
  expect(scaled("-0.07", 9)).toBe(-70_000_000n);
  expect(scaled("123456789012345678901234567890.12", 2)).toBe(12345678901234567890123456789012n);
  expect(scaled("1.005", 2)).toBe("more than 2 decimals");
  expect(scaled("1.0050", 3)).toBe(1005n);
  expect(scaled("1e40", 2)).toBe("more digits than a decimal has");
  expect(scaled("0.0000000001", 9)).toBe(0n);
  for (const value of [0, -0.07, 1.1, 1234.5, 99_999_999.99, 0.1 + 0.2, 1 / 3, 1e10, 12.34567])
    expect(tryScaleNumber(value, 9) ?? scaled(String(Number(value.toPrecision(15))), 9), String(value)).toBe(
      scaled(String(Number(value.toPrecision(15))), 9),
    );
});
