import { describe, expect, it } from "vitest";

import { describeException, exceptionText } from "../../../pipes/exception.ts";

describe("anything that can be thrown is described", () => {
  it.each<[string, unknown, string | null, string]>([
    ["an error", new TypeError("bad"), "TypeError", "bad"],
    ["a text", "just text", null, "just text"],
    ["null", null, null, "null"],
    ["a number", 7, null, "7"],
    ["a bigint", 7n, null, "a bigint"],
    ["a symbol", Symbol("s"), null, "a symbol"],
    ["an object", { code: 1 }, null, '{"code":1}'],
    [
      "an error of another realm",
      { name: "OtherError", message: "far", stack: "OtherError: far\n    at x" },
      "OtherError",
      "far",
    ],
    [
      "an object whose getters throw",
      {
        get message(): string {
          throw new Error("hostile");
        },
        toJSON() {
          throw new Error("hostile");
        },
      },
      null,
      "an object",
    ],
  ])("%s", (_name, thrown, name, message) => {
    const exception = describeException(thrown);
    expect(exception.name).toBe(name);
    expect(exception.message).toContain(message);
  });

  it("a circular chain of causes ends", () => {
    const error = new Error("a");
    error.cause = new Error("b", { cause: error });
    expect(describeException(error)).toMatchObject({ message: "a", cause: { message: "b", cause: null } });
  });

  it("the parts of an AggregateError are all named", () => {
    const exception = describeException(new AggregateError([new Error("one"), new TypeError("two")], "both failed"));
    expect(exception.message).toBe("both failed\n[1] Error: one\n[2] TypeError: two");
    expect([exception.cause?.message, exception.context?.message]).toEqual(["one", "two"]);
  });

  it("the stack holds frames only, each ending its line, even below a message of many lines", () => {
    const { stack } = describeException(new Error("two\nlines"));
    expect(stack.length).toBeGreaterThan(0);
    for (const line of stack) expect(line).toMatch(/^ +at .*\n$/);
  });
});

describe("the text of an exception", () => {
  it.each([600, 2_000, 50_000])("fits into %d bytes, however large the error", (maxBytes) => {
    let error = new Error("é".repeat(1_000_000));
    for (let depth = 0; depth < 60; depth += 1) error = new AggregateError([error, error], "\u0000".repeat(100_000));
    expect(exceptionText(describeException(error), maxBytes).length).toBeLessThanOrEqual(maxBytes);
  });

  it("is whole when it fits", () => {
    const exception = describeException(new Error("a", { cause: new Error("b") }));
    expect(JSON.parse(exceptionText(exception, 100_000))).toEqual(exception);
  });
});
