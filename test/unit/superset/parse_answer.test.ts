import { expect, test } from "vitest";
import { parseAnswer } from "../../../resources/superset/client/parse_answer.ts";

test("whole numbers that a double would round come as their digits, all others as numbers", () => {
  const text = `{"a": 9007199254740993, "b": [-9223372036854775808, 9007199254740991], "c": 0.30000000000000004,
    "d": 1e300, "e": "9007199254740993", "f": 1489000000000, "g": null}`;
  expect(parseAnswer(text)).toEqual({
    ...{ a: "9007199254740993", b: ["-9223372036854775808", 9_007_199_254_740_991], c: 0.1 + 0.2 },
    ...{ d: 1e300, e: "9007199254740993", f: 1_489_000_000_000, g: null },
  });
  expect(() => parseAnswer("<html>1234567890123456789</html>")).toThrow(SyntaxError);
});
