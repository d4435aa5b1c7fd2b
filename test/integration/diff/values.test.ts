import { expect, test } from "vitest";
import type { NotComparableError } from "../../../resources/store_diff.ts";
import { Sides } from "./sides.ts";

const sides = Sides.forThisFile();

/** A type in both stores, and values of it, all different, as both write them. */
const TYPES: readonly {
  readonly name: string;
  readonly postgres: string;
  readonly duckdb: string;
  readonly values: readonly string[];
  /** Spellings of the first value on the other side, if they are not the same. */
  readonly asDuckDB?: Readonly<Record<string, string>>;
}[] = [
  {
    name: "int64",
    ...{ postgres: "bigint", duckdb: "BIGINT" },
    values: ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993"],
  },
  { name: "int32", postgres: "integer", duckdb: "INTEGER", values: ["0", "2147483647", "-2147483648"] },
  {
    name: "a decimal of 38 digits",
    ...{ postgres: "numeric(38, 10)", duckdb: "DECIMAL(38, 10)" },
    values: ["0", "9999999999999999999999999999.9999999999", "-0.0000000001", "1.5", "0.0000000001"],
  },
  {
    name: "a decimal without whole digits",
    ...{ postgres: "numeric(4, 4)", duckdb: "DECIMAL(4, 4)" },
    values: ["0", "0.5", "-0.5", "0.0001", "-0.9999"],
  },
  {
    name: "decimals of other scales",
    ...{ postgres: "numeric", duckdb: "DECIMAL(18, 6)" },
    values: ["0", "-0.100", "1.500000", "100", "-1234567890.000001", "0.000001", "10.0"],
  },
  { name: "integers in a decimal", postgres: "integer", duckdb: "DECIMAL(12, 2)", values: ["0", "-7", "100", "120"] },
  { name: "decimals in an integer", postgres: "numeric(9, 3)", duckdb: "BIGINT", values: ["0", "-7", "100", "120"] },
  {
    name: "float64",
    ...{ postgres: "double precision", duckdb: "DOUBLE" },
    values: [
      ...["0", "1", "-1", "0.1", "0.30000000000000004", "0.3", "5e-324", "1.7976931348623157e308", "1e22", "1e21"],
      ...["1e-7", "123456789012345680", "9007199254740992", "2.2250738585072014e-308", "NaN", "Infinity", "-Infinity"],
    ],
  },
  { name: "boolean", postgres: "boolean", duckdb: "BOOLEAN", values: ["true", "false"] },
  {
    name: "timestamp",
    ...{ postgres: "timestamptz", duckdb: "TIMESTAMPTZ" },
    values: [
      ...[
        "1970-01-01 00:00:00+00",
        "1969-12-31 23:59:59.999999+00",
        "2017-03-26 01:30:00+00",
        "2017-03-26 01:30:00.1+00",
      ],
      ...["2017-03-26 01:30:00.100001+00", "2299-12-31 23:59:59.999999+00", "0001-01-01 00:00:00+00"],
      ...["9999-12-31 23:59:59.5+00", "12345-06-07 08:09:10+00", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC"],
      "0001-12-31 23:59:59.25+00 BC",
    ],
    asDuckDB: {
      "0044-03-15 12:00:00+00 BC": "0044-03-15 (BC) 12:00:00+00",
      "0001-12-31 23:59:59.25+00 BC": "0001-12-31 (BC) 23:59:59.25+00",
    },
  },
  {
    name: "date",
    ...{ postgres: "date", duckdb: "DATE" },
    values: [
      ...["1970-01-01", "2024-02-29", "1900-01-01", "0001-01-01", "9999-12-31", "12345-01-01", "infinity", "-infinity"],
      ...["0044-03-15 BC", "0001-12-31 BC"],
    ],
    asDuckDB: { "0044-03-15 BC": "0044-03-15 (BC)", "0001-12-31 BC": "0001-12-31 (BC)" },
  },
  {
    name: "text",
    ...{ postgres: "text", duckdb: "VARCHAR" },
    values: [
      ...[
        "",
        " ",
        "a",
        "A",
        "a ",
        "NULL",
        "\\N",
        "|",
        "1:a",
        "0:",
        "|1:a|",
        "'; DROP TABLE x; --",
        '"',
        "line\nfeed\r\t",
      ],
      // One letter in two normal forms, a letter beyond 16 bits, a family of joined people, and what is not seen.
      ...[
        "\u00e9",
        "e\u0301",
        "\u{1d54f}",
        "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}",
        "\u00a0",
        "\u200b",
        "\uffff",
        "\u0001",
      ],
      ...["ß", "ss", "İ", "i̇", "x".repeat(10_000), `${"x".repeat(9_999)}y`],
    ],
  },
  {
    name: "json",
    ...{ postgres: "json", duckdb: "JSON" },
    values: [
      "null",
      "{}",
      '{"a": 1}',
      '{"a":1}',
      '{"a": 1.0}',
      '"\\u0041"',
      '"A"',
      '{"b": 1, "a": 2}',
      '{"a": 2, "b": 1}',
    ],
  },
  {
    name: "uuid as text",
    ...{ postgres: "uuid", duckdb: "VARCHAR" },
    values: ["6f6b1e0e-9f6a-4e5e-8c55-0f8b7a2a6b61", "00000000-0000-0000-0000-000000000000"],
  },
];

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

test.each(TYPES)("equal values of $name have equal checksums, and no others do", async ({ values, ...type }) => {
  const rows = (side: "postgres" | "duckdb", shift: number): string => {
    const all: (string | null)[] = [...values, null];
    const lines = all.map((_, index) => {
      const value = all[(index + shift) % all.length] ?? null;
      const own = value === null || side === "postgres" ? value : (type.asDuckDB?.[value] ?? value);
      return `(${index}, CAST(${own === null ? "NULL" : literal(own)} AS ${type[side]}))`;
    });
    return `VALUES ${lines.join(", ")}`;
  };
  const make = (side: "postgres" | "duckdb", shift: number): ReturnType<Sides["make"]> =>
    sides.make(side, `(id integer NOT NULL, value ${type[side]})`, rows(side, shift));
  const left = await make("postgres", 0);
  const same = await sides.compare(["postgres", left], ["duckdb", await make("duckdb", 0)], { key: ["id"] });
  expect(same.differences).toEqual([]);
  expect(same).toMatchObject({ isEqual: true, pulledRows: 0 });
  // Each value beside the next one: every row differs, and shows both.
  const other = await sides.compare(["postgres", left], ["duckdb", await make("duckdb", 1)], { key: ["id"] });
  expect(other).toMatchObject({ isEqual: false, changed: BigInt(values.length + 1), onlyLeft: 0n, onlyRight: 0n });
  // As a key each value finds itself, whichever side orders or compares it in another way.
  const keyed = (side: "postgres" | "duckdb"): string =>
    `SELECT * FROM (${rows(side, 0)}) AS given(id, value) WHERE value IS NOT NULL`;
  const byValue = async (side: "postgres" | "duckdb"): ReturnType<Sides["make"]> =>
    sides.make(side, `(id integer NOT NULL, value ${type[side]} NOT NULL)`, keyed(side));
  const found = await sides.compare(["duckdb", await byValue("duckdb")], ["postgres", await byValue("postgres")], {
    key: ["value"],
  });
  expect(found.differences).toEqual([]);
  expect(found).toMatchObject({ isEqual: true, left: { rows: BigInt(values.length), duplicateKeys: 0n } });
});

test("-0 equals 0, whoever wrote it", async () => {
  const left = await sides.make("postgres", "(id bigint, value double precision)", "VALUES (1, '-0'::float8), (2, 0)");
  const right = await sides.make("duckdb", "(id BIGINT, value DOUBLE)", "VALUES (1, 0), (2, CAST('-0' AS DOUBLE))");
  expect(await sides.compare(["postgres", left], ["duckdb", right], { key: ["id"] })).toMatchObject({ isEqual: true });
  const again = await sides.make("duckdb", "(id BIGINT, value DOUBLE)", "VALUES (1, CAST('-0' AS DOUBLE)), (2, 0)");
  expect(await sides.compare(["duckdb", again], ["duckdb", right], { key: ["id"] })).toMatchObject({ isEqual: true });
});

test("a value does not move from one column into the next one unseen", async () => {
  const left = await sides.make(
    "postgres",
    "(id bigint, a text, b text)",
    "VALUES (1, 'x|1:y', NULL), (2, NULL, ''), (3, 'a', 'b')",
  );
  const right = await sides.make(
    "duckdb",
    "(id BIGINT, a VARCHAR, b VARCHAR)",
    "VALUES (1, 'x', 'y'), (2, '', NULL), (3, 'b', 'a')",
  );
  const found = await sides.compare(["postgres", left], ["duckdb", right], { key: ["id"] });
  expect(found.differences.map(({ columns }) => columns.map(({ left: a, right: b }) => [a, b]))).toEqual([
    [
      ["x|1:y", "x"],
      [null, "y"],
    ],
    [
      [null, ""],
      ["", null],
    ],
    [
      ["a", "b"],
      ["b", "a"],
    ],
  ]);
});

test("types without a common spelling are refused, all of them by name", async () => {
  const left = await sides.make(
    "postgres",
    `(id bigint, document jsonb, seen timestamp, bytes bytea, list integer[], span interval, name text, score float8, "of day" time)`,
  );
  const right = await sides.make(
    "duckdb",
    `(id BIGINT, document JSON, seen TIMESTAMPTZ, bytes BLOB, list INTEGER[], span INTERVAL, name INTEGER, score DECIMAL(9, 2), "of day" TIME, extra BIGINT)`,
  );
  const compare = (options: Parameters<Sides["compare"]>[2]): Promise<unknown> =>
    sides.compare(["postgres", left], ["duckdb", right], options);
  const error = (await compare({ key: ["id"] }).catch((fault: unknown) => fault)) as NotComparableError;
  expect(error.code).toBe("not_comparable");
  for (const name of ["document", "seen", "bytes", "list", "span", "name", "score", "of day"])
    expect(error.message).toContain(`column ${JSON.stringify(name)}`);
  expect(error.message).toContain(`has no column "extra"`);
  // What is left out by name is left out.
  expect(await compare({ key: ["id"], columns: [] })).toMatchObject({ isEqual: true });
});
