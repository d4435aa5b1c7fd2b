import { expect, test } from "vitest";
import type { Sample } from "../../../resources/store.ts";
import { createRedact } from "../../../runtime/redaction.ts";
import { sampleMarkdown } from "../../../runtime/report.ts";

const markdown = (sample: Sample): string => sampleMarkdown(sample, (text) => text);
const cells = (...values: (string | null)[]): string =>
  markdown({ columns: ["c"], rows: values.map((value) => [value]) });

test("a sample is a table, in which NULL shows", () => {
  expect(markdown({ columns: ["a", "b"], rows: [["1", null]] })).toBe("| a | b |\n| --- | --- |\n| 1 | NULL |");
  expect(markdown({ columns: ["a"], rows: [] })).toBe("(no rows)");
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
  expect(markdown({ columns, rows: [columns] })).toMatch(/70 more columns$/);
});

test("a secret is masked before it is cut or escaped", () => {
  const secret = "ghp_abcdefghijklmnopqrstuv";
  const redact = createRedact({ GITHUB_TOKEN: secret });
  const rows = [[secret], [`${"x".repeat(70)}${secret}`]];
  const text = sampleMarkdown({ columns: [`column ${secret}`], rows }, redact).replaceAll("\\", "");
  expect(text).not.toContain(secret.slice(0, 8));
  expect(text.match(/\[redacted\]|\[reda/g)).toHaveLength(3);
});
