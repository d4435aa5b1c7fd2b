import { describe, expect, test } from "vitest";
import { allow, notNull, nullRateDrift, rowCountDrift } from "../../../definitions/index.ts";
import type { EarlierPublish } from "../../../resources/store.ts";
import { areApart, judge, thresholdOf } from "../../../resources/store_checks.ts";

test.each<[string | null, string | null, string | number, boolean]>([
  ["0.30", "0.3", 0, false],
  ["0.30000000000000004", "0.3", 0, true],
  ["0.30000000000000004", "0.3", "0.000001", false],
  ["99999999999999999999999999999999999.98", "99999999999999999999999999999999999.99", "0.009", true],
  ["99999999999999999999999999999999999.98", "99999999999999999999999999999999999.99", "0.01", false],
  ["-1", "1", 2, false],
  ["-1", "1", 1, true],
  [null, "0.00", 0, false],
  [null, "1", 0, true],
  ["1e+23", "100000000000000000000000", 0, false],
  ["1.5E-3", "0.0015", 0, false],
  ["NaN", "NaN", 1_000, true],
  ["inf", "Infinity", 0, true],
  ["-nan", "0", 0, true],
])("sums %s and %s, give or take %s: apart is %s", (here, there, tolerance, apart) => {
  expect(areApart(here, there, tolerance)).toBe(apart);
});

describe("a verdict", () => {
  const asOf = new Date();
  test("of a drift has a bound that counts as inside, and a usual number of 0 lets nothing else through", () => {
    const was = (...counts: number[]): EarlierPublish[] =>
      counts.map((rowCount) => ({ rowCount, nullShares: new Map() }));
    const passed = (rows: bigint, ...counts: number[]): boolean =>
      judge(rowCountDrift({ max: 0.5 }), { failedRows: 0n, checkedRows: rows, newest: null }, { asOf, history: was(...counts) }).passed; // prettier-ignore
    expect([passed(50n, 100), passed(49n, 100), passed(150n, 100), passed(151n, 100)]).toEqual([true, false, true, false]); // prettier-ignore
    const nulls = (failedRows: bigint, usual: number): boolean =>
      judge(nullRateDrift("a", { max: 0.05 }), { failedRows, checkedRows: 100n, newest: null }, { asOf, history: [{ rowCount: 1, nullShares: new Map([["a", usual]]) }] }).passed; // prettier-ignore
    for (let usual = 5; usual < 95; usual++)
      expect([-6, -5, 5, 6].map((by) => nulls(BigInt(usual + by >= 0 ? usual + by : 100), usual / 100))).toEqual([
        ...[false, true, true, false],
      ]);
    expect([passed(0n, 0), passed(1n, 0), passed(1n, 1, 3, 1_000)]).toEqual([true, false, false]);
  });

  test("of rows passes at the share that is allowed, and an empty table has none", () => {
    const passed = (failedRows: bigint, checkedRows: bigint): boolean =>
      judge(allow(0.01, notNull("a")), { failedRows, checkedRows, newest: null }, { asOf, history: [] }).passed;
    expect([passed(1n, 100n), passed(2n, 100n), passed(0n, 0n), passed(1n, 0n)]).toEqual([true, false, true, false]);
    const share = (max: number, failedRows: bigint): boolean =>
      judge(allow(max, notNull("a")), { failedRows, checkedRows: 100n, newest: null }, { asOf, history: [] }).passed;
    // No share is lost to doubles.
    for (let count = 0; count < 100; count++)
      expect([share(count / 100, BigInt(count)), share(count / 100, BigInt(count + 1))]).toEqual([true, false]);
    expect(thresholdOf(allow(0.01, notNull("a")))).toBe("more than 1 % of the rows");
  });
});
