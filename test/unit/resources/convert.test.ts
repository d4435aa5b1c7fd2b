import { expect, test } from "vitest";
import { converterOf } from "../../../resources/validation/convert.ts";

const FORMS = { decimal: ".", days: "YMD", timezone: "UTC" } as const;

test.each<[number, string | undefined, string | undefined]>([
  // Excel shows it as the 0th of January 1900.
  [0, undefined, "1904-01-01"],
  [1, "1900-01-01", "1904-01-02"],
  [59, "1900-02-28", "1904-02-29"],
  // The day that never was.
  [60, undefined, "1904-03-01"],
  [61, "1900-03-01", "1904-03-02"],
  [42_736, "2017-01-01", "2021-01-02"],
  [2_957_003, "9995-12-30", "9999-12-31"],
  [2_957_004, "9995-12-31", undefined],
  [2_958_465, "9999-12-31", undefined],
  [2_958_466, undefined, undefined],
  [-1, undefined, undefined],
  [NaN, undefined, undefined],
  [42_736.5, undefined, undefined],
])("serial %d is the day %s, or from 1904 %s", (serial, ...days) => {
  const found = [false, true].map((from1904) => converterOf({ kind: "date" }, FORMS, from1904)({ serial }));
  expect(found).toEqual(days.map((day) => day ?? { unreadable: expect.any(String) as unknown }));
});

test("a time without a day is no instant, in no calendar and no zone", () => {
  const read = converterOf({ kind: "timestamp" }, { ...FORMS, timezone: "Europe/Berlin" }, false);
  expect(read({ serial: 0.5 })).toMatchObject({ unreadable: "no day that a workbook knows" });
  expect(read({ serial: 42_736.5 })).toBe("2017-01-01T11:00:00.000Z");
});
