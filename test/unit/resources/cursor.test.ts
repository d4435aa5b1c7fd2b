import { expect, test } from "vitest";
import type { Column } from "../../../definitions/column_type.ts";
import { cursorText } from "../../../resources/cursor.ts";

const column = (kind: "timestamp" | "date" | "int64"): Pick<Column, "name" | "type"> => ({
  name: "seen",
  type: { kind },
});

test.each([
  ["timestamp", "2026-01-01 00:02:00+00", "2026-01-01T00:02:00.000000Z"],
  ["timestamp", "2026-01-01 00:02:00.25+00", "2026-01-01T00:02:00.250000Z"],
  ["timestamp", "0850-01-01 00:02:00.000001", "0850-01-01T00:02:00.000001Z"],
  ["date", "1850-02-28", "1850-02-28"],
  ["int64", "-7", "-7"],
] as const)("the greatest %s %s is the cursor %s", (kind, printed, cursor) => {
  expect(cursorText(printed, column(kind))).toBe(cursor);
});

test.each([
  ["timestamp", "infinity"],
  ["timestamp", "0044-03-15 00:00:00+00 BC"],
  ["timestamp", "10000-01-01 00:00:00+00"],
  ["timestamp", "2026-01-01 00:02:00+05:30"],
  ["date", "infinity"],
  ["date", "10000-01-01"],
] as const)("no run could go on from the %s %s", (kind, printed) => {
  expect(() => cursorText(printed, column(kind))).toThrow(/column seen is the cursor/);
});
