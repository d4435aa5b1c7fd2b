import { describe, expect, it } from "vitest";

import { PipesArgumentError } from "../../../pipes/errors.ts";
import { floatText, jsonText, MAX_JSON_DEPTH, parseJson, stringText } from "../../../pipes/json_text.ts";

const place = { method: "reportCustomMessage", parameter: "payload" };

function refused(value: unknown): PipesArgumentError {
  try {
    jsonText(value, place);
  } catch (error) {
    if (error instanceof PipesArgumentError) return error;
    throw error;
  }
  throw new Error("the value was not refused");
}

describe("floats", () => {
  it.each([
    [1, "1.0"],
    [0, "0.0"],
    [-0, "-0.0"],
    [-3, "-3.0"],
    [0.1, "0.1"],
    [1e21, "1e+21"],
    [1e-7, "1e-7"],
    [2 ** 60, "1152921504606847000.0"],
    [Number.MAX_VALUE, "1.7976931348623157e+308"],
    [Number.MIN_VALUE, "5e-324"],
  ])("%d is written %s, so that no reader takes it for an integer", (value, text) => {
    expect(floatText(value)).toBe(text);
    expect(Object.is(JSON.parse(text), value)).toBe(true);
  });
});

describe("integers", () => {
  it("a bigint far beyond 2^53 keeps every digit", () => {
    expect(jsonText(2n ** 80n, place)).toBe("1208925819614629174706176");
    expect(jsonText({ id: -(2n ** 63n) }, place)).toBe('{"id":-9223372036854775808}');
  });

  it("a double beyond 2^53 does not pass for an exact integer", () => {
    expect(jsonText([2 ** 53 - 1, 2 ** 60], place)).toBe("[9007199254740991,1152921504606847000.0]");
  });

  it("an integer with more digits than Python reads is refused", () => {
    expect(jsonText(10n ** 4299n, place)).toHaveLength(4300);
    expect(refused(10n ** 4300n).expected).toContain("4300 digits");
  });

  it("a large integer in a context arrives as a bigint, other numbers as they are", () => {
    expect(parseJson('{"id":9223372036854775807,"n":1,"f":1e300,"x":1234567890123456.5}')).toEqual({
      id: 9223372036854775807n,
      n: 1,
      f: 1e300,
      x: 1234567890123456.5,
    });
  });
});

describe("strings", () => {
  it("are plain ASCII on one line whatever they hold", () => {
    const hostile = 'a\nb\r\u0000\u2028\u2029\u0085\u001c"\\é🎉\ufeff';
    const text = stringText(hostile);
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(text)).toBe(hostile);
  });

  it("lose lone surrogates, which Dagster's storage cannot encode", () => {
    expect(JSON.parse(stringText("a\ud800b\udfff"))).toBe("a\ufffdb\ufffd");
  });
});

describe("values", () => {
  it.each([
    ["NaN", { rows: [{ mean: Number.NaN }] }, "payload.rows[0].mean"],
    ["infinity", [Infinity], "payload[0]"],
    ["undefined in an array", [undefined], "payload[0]"],
    ["undefined itself", undefined, "payload"],
    ["a hole in an array", Object.assign([], { length: 1 }), "payload[0]"],
    ["a function", { f: () => 1 }, "payload.f"],
    ["a symbol", { s: Symbol("s") }, "payload.s"],
    ["a Map", { m: new Map() }, "payload.m"],
    ["a Set", new Set(), "payload"],
    ["a typed array", new Uint8Array(2), "payload"],
    ["an invalid date", { at: new Date(Number.NaN) }, "payload.at"],
  ])("%s is refused with the path to it", (_name, value, parameter) => {
    expect(refused(value)).toMatchObject({ code: "pipes_argument", method: "reportCustomMessage", parameter });
  });

  it("a circular or bottomless value is refused before it fills the stack of the reader", () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(refused(circle).expected).toContain(`${MAX_JSON_DEPTH} levels`);
  });

  it("a value that repeats itself beyond all memory is refused instead of hanging", () => {
    let value: unknown = "x".repeat(100);
    for (let level = 0; level < 40; level += 1) value = [value, value];
    expect(refused(value).expected).toContain("characters");
  });

  it("properties that are undefined are left out and toJSON is honoured", () => {
    expect(jsonText({ a: undefined, at: new Date(0), b: null }, place)).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","b":null}',
    );
  });

  it("hostile keys are only keys", () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":1,"":2,"\\n":3}') as unknown;
    expect(jsonText(hostile, place)).toBe('{"__proto__":{"polluted":1},"constructor":1,"":2,"\\n":3}');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("an object without a prototype is as good as any", () => {
    expect(jsonText(Object.assign(Object.create(null) as object, { a: 1 }), place)).toBe('{"a":1}');
  });
});
