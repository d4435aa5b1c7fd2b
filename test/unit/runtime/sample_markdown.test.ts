import { expect, test } from "vitest";
import { sampleMarkdown } from "../../../runtime/report.ts";

const cells = (...values: (string | null)[]): string =>
  sampleMarkdown({ columns: ["c"], rows: values.map((value) => [value]) });

test("a sample is a table, in which NULL shows", () => {
  expect(sampleMarkdown({ columns: ["a", "b"], rows: [["1", null]] })).toBe("| a | b |\n| --- | --- |\n| 1 | NULL |");
  expect(sampleMarkdown({ columns: ["a"], rows: [] })).toBe("(no rows)");
});

test.each([
  "a|b",
  "a\nb",
  "a\r\nb",
  "a\u2028b",
  "`code`",
  "[x](http://evil)",
  "![x](y)",
  "<script>",
  "a\\|b",
  "*b*",
  "_i_",
  "&lt;",
])("%j stays one cell of text", (value) => {
  const [, , row = ""] = cells(value).split("\n");
  expect(cells(value).split("\n")).toHaveLength(3);
  expect(row.replaceAll(/\\./g, "").match(/\|/g)).toHaveLength(2);
  expect(row.replaceAll(/\\./g, "")).not.toMatch(/[`*_[\]<>&]/);
});

test("long values and wide tables are cut, with a note", () => {
  expect(cells("😀".repeat(1_000)).length).toBeLessThan(200);
  expect(cells("😀".repeat(1_000)).isWellFormed()).toBe(true);
  const columns = Array.from({ length: 100 }, (_, index) => `c${index}`);
  expect(sampleMarkdown({ columns, rows: [columns] })).toMatch(/70 more columns$/);
});
