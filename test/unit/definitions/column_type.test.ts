import { describe, expect, test } from "vitest";
import { readColumn } from "../../../definitions/column_type.ts";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";

const read = (schema: z.ZodType, name = "c"): ReturnType<typeof readColumn> => readColumn(name, schema);

test.each<[string, z.ZodType, string, string]>([
  ["z.string()", z.string(), "string", "string"],
  ["z.email()", z.email(), "string", "string"],
  ["z.iso.datetime()", z.iso.datetime(), "string", "string"],
  ["z.templateLiteral()", z.templateLiteral(["a", z.number()]), "string", "string"],
  ["z.enum()", z.enum(["a", "b"]), "string", "string"],
  ["z.literal()", z.literal(["a", "b"]), "string", "string"],
  ["z.boolean()", z.boolean(), "boolean", "boolean"],
  ["z.int()", z.int(), "int64", "number"],
  ["z.int().min()", z.int().min(3), "int64", "number"],
  ["z.number().int()", z.number().min(1).int(), "int64", "number"],
  ["z.int32()", z.int32(), "int32", "number"],
  ["z.uint32()", z.uint32(), "int64", "number"],
  ["z.number()", z.number(), "float64", "number"],
  ["z.float32()", z.float32(), "float64", "number"],
  ["z.float64()", z.float64(), "float64", "number"],
  ["int64()", int64(), "int64", "bigint"],
  ["z.coerce.number()", z.coerce.number(), "float64", "number"],
  ["timestamp()", timestamp(), "timestamp", "date"],
  ["timestamp().min()", timestamp().min(new Date(0)), "timestamp", "date"],
  ["date()", date(), "date", "string"],
  ["decimal()", decimal(12, 2), "decimal", "string"],
  ["json(object)", json(z.object({ a: z.string() })), "json", "json"],
  ["json(string)", json(z.string()), "json", "json"],
  ["json(unknown)", json(z.unknown()), "json", "json"],
  ["a brand", z.string().brand("x"), "string", "string"],
  ["a refinement", decimal(5, 2).refine(() => true), "decimal", "string"],
  ["readonly", z.string().readonly(), "string", "string"],
  ["a default", z.int32().default(1), "int32", "number"],
])("%s has a column type", (_name, schema, kind, value) => {
  expect(read(schema)).toMatchObject({ ok: true, column: { type: { kind }, value, nullable: false } });
  expect(read(schema.nullable()), "nullable").toMatchObject({ column: { type: { kind }, value, nullable: true } });
});

test("a document that may be null is a nullable column, wherever the null stands", () => {
  for (const schema of [
    json(z.object({}).nullable()),
    json(z.object({})).nullable(),
    json(z.array(z.int()).nullable()),
  ])
    expect(read(schema)).toMatchObject({ ok: true, column: { type: { kind: "json" }, nullable: true } });
});

test.each<[string, z.ZodType, RegExp]>([
  ["optional", z.string().optional(), /nullable\(\)/],
  ["nullish", z.string().nullish(), /nullable\(\)/],
  ["a bare bigint", z.bigint(), /int64\(\)/],
  ["uint64", z.uint64(), /no column type/],
  ["z.date()", z.date(), /timestamp\(\)/],
  ["z.coerce.date()", z.coerce.date(), /timestamp\(\)/],
  ["a transform", z.string().transform((text) => text.length), /transform/],
  ["a pipe", z.string().pipe(z.string()), /transform/],
  ["stringbool", z.stringbool(), /transform/],
  ["an object", z.object({}), /json/],
  ["an array", z.array(z.string()), /json/],
  ["a record", z.record(z.string(), z.string()), /json/],
  ["a tuple", z.tuple([z.string()]), /json/],
  ["a union", z.union([z.string(), z.number()]), /json/],
  ["any", z.any(), /json/],
  ["an enum of numbers", z.literal([1, 2]), /strings/],
  ["null", z.null(), /no column type/],
  ["nan", z.nan(), /no column type/],
  ["a map", z.map(z.string(), z.string()), /no column type/],
  ["a set", z.set(z.string()), /no column type/],
  ["lazy", z.lazy(() => z.string()), /no column type/],
  ["custom", z.custom(() => true), /no column type/],
  ["undefined", z.undefined(), /no column type/],
  ["catch", z.string().catch("x"), /no column type/],
  ["decimal(39, 2)", decimal(39, 2), /1 to 38/],
  ["decimal(5, 6)", decimal(5, 6), /scale/],
  ["decimal(5, -1)", decimal(5, -1), /scale/],
  ["decimal(5, 200)", decimal(5, 200), /scale/],
  ["decimal(0, 0)", decimal(0, 0), /precision/],
  ["decimal(1.5, 1)", decimal(1.5, 1), /precision/],
  ["decimal(NaN, NaN)", decimal(Number.NaN, Number.NaN), /precision/],
])("%s is no column, and the message says what to write", (_name, schema, message) => {
  const result = read(schema);
  expect(result.ok).toBe(false);
  expect(result).toMatchObject({ message: expect.stringMatching(message) as string });
});

test("the description is the outermost one", () => {
  expect(read(z.string().describe("inner").nullable())).toMatchObject({ column: { description: "inner" } });
  expect(read(z.string().describe("inner").nullable().describe("outer"))).toMatchObject({
    column: { description: "outer" },
  });
  expect(read(decimal(5, 2).describe("money"))).toMatchObject({ column: { description: "money" } });
  expect(read(z.string())).toMatchObject({ column: { description: null } });
});

test.each(["a b", `quo"te`, "semi;colon", "$1", "select", "😀", "1", "é".repeat(31), "a'b", "--", "constructor"])(
  "%j is a column name",
  (name) => {
    expect(read(z.string(), name).ok).toBe(true);
  },
);

test.each(["", "nul\0", "é".repeat(32), "half \ud800", "__proto__"])("%j is no column name", (name) => {
  expect(read(z.string(), name)).toMatchObject({ ok: false });
});

describe("decimal() accepts exactly what the store holds", () => {
  const accepts = (precision: number, scale: number, text: string): boolean =>
    decimal(precision, scale).safeParse(text).success;

  test.each<[number, number, string]>([
    [5, 2, "123.45"],
    [5, 2, "-123.4"],
    [5, 2, "0"],
    [5, 2, "007"],
    [2, 2, "0.99"],
    [2, 2, "-.5"],
    [2, 2, "0"],
    [38, 0, "9".repeat(38)],
    [38, 10, `-${"9".repeat(28)}.${"9".repeat(10)}`],
  ])("decimal(%i, %i) takes %j", (precision, scale, text) => {
    expect(accepts(precision, scale, text)).toBe(true);
  });

  test.each<[number, number, string]>([
    [5, 2, "1234.5"],
    [5, 2, "1.234"],
    [5, 2, ""],
    [5, 2, "-"],
    [5, 2, "1."],
    [5, 2, "."],
    [5, 2, "+1"],
    [5, 2, " 1"],
    [5, 2, "1\n"],
    [5, 2, "1e2"],
    [5, 2, "NaN"],
    [5, 2, "Infinity"],
    [5, 2, "١"],
    [5, 0, "1.0"],
    [2, 2, ""],
    [2, 2, "-"],
    [2, 2, "."],
    [2, 2, "1.00"],
    [38, 0, "9".repeat(39)],
  ])("decimal(%i, %i) refuses %j", (precision, scale, text) => {
    expect(accepts(precision, scale, text)).toBe(false);
  });
});
