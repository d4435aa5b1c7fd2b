import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import type { StoreKind } from "../../../resources/store.ts";

type Row = (string | null)[];

/** A column of every type, under names that want to be quoted. */
export const SHAPE = {
  id: z.int(),
  big: int64().nullable(),
  small: z.int32().nullable(),
  'mon"ey': decimal(38, 10).nullable(),
  price: decimal(12, 2).nullable(),
  "whole; --": decimal(38, 0).nullable(),
  score: z.number().nullable(),
  select: z.boolean().nullable(),
  "Été 🎈": timestamp().nullable(),
  "back\\slash": date().nullable(),
  "it's {x}": z.string().nullable(),
  document: json(z.unknown()).nullable(),
};

/** A row of NULLs but for its id. */
const empty = (id: number): Row => [String(id), ...Array.from({ length: 11 }, () => null)];

/** Values that every store holds: ClickHouse the fewest, years from 1900 to 2299. */
const COMMON: readonly Row[] = [
  empty(1),
  [
    "2",
    "9223372036854775807",
    "2147483647",
    "9999999999999999999999999999.9999999999",
    "9999999999.99",
    "99999999999999999999999999999999999999",
    "1.7976931348623157e+308",
    "true",
    "2299-12-31T23:59:59.999999Z",
    "2299-12-31",
    "\\N",
    '{"a": [1.10, 1e2, null], "a": "\\u0041", "b": [18446744073709551616, -1E+400]}',
  ],
  [
    "3",
    "-9223372036854775808",
    "-2147483648",
    "-9999999999999999999999999999.9999999999",
    "-0.01",
    "-99999999999999999999999999999999999999",
    "5e-324",
    "false",
    "1969-12-31T23:59:59.999999Z",
    "1900-01-01",
    "",
    '"text"',
  ],
  [
    "4",
    "0",
    "0",
    "0.0000000001",
    "0.10",
    "0",
    "0.1",
    "true",
    "1900-01-01T00:00:00.000001Z",
    "1970-01-01",
    "line\nfeed\r\n\ttab, \"quotes\" 'single' \\. \\x00 \\\\",
    "null",
  ],
  [
    "5",
    "1",
    "1",
    "1.0000000000",
    "1.00",
    "1",
    "NaN",
    "false",
    "2017-03-26T01:30:00.000000Z",
    "2024-02-29",
    "NULL",
    "{}",
  ],
  [
    "6",
    "1",
    "1",
    "1.5000000000",
    "1.50",
    "1",
    "Infinity",
    "false",
    "2000-01-01T00:00:00.123456Z",
    "2000-02-29",
    "👩‍👩‍👧 𝕏\u00a0",
    "[]",
  ],
  [
    "7",
    "1",
    "1",
    "2.5000000000",
    "2.50",
    "1",
    "-Infinity",
    "false",
    "2000-01-01T00:00:00.100000Z",
    "2000-02-29",
    " \v\f\b\u0001 ",
    '"\\n"',
  ],
];

/** What ClickHouse holds not. */
const WIDE: readonly Row[] = [
  [...empty(8).slice(0, 8), "0001-01-01T00:00:00.000001Z", "0001-01-01", null, null],
  [...empty(9).slice(0, 8), "9999-12-31T23:59:59.999999Z", "9999-12-31", null, null],
];

/** The rows that both stores hold. */
export function rowsBetween(from: StoreKind, to: StoreKind): Row[] {
  return [from.name, to.name].includes("clickhouse") ? [...COMMON] : [...COMMON, ...WIDE];
}

/** The rows of tables with one column, whose lines in a file could be taken for something else. */
export const LONE_TEXTS: readonly (readonly string[])[] = [
  ["", "", "a", ""],
  ["\ufeffbom", ""],
  ["a\r\nb", "c\rd", "e\n", "\r"],
  ["\\.", "#", '"', "\\N", "'"],
];
