import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { stripOptions } from "../../../bench/graph/strip_options.ts";

test("the declared checks are gone, and everything else is there to the letter", () => {
  const before = `export const a = defineAsset("x/a", {\n  description: "checks: []",\n  `;
  const after = `\n  body: sql\`SELECT 1 AS checks\`,\n});\n`;
  const checks = `checks: [matches("c", "[0-9]]+"), sqlCheck("b", sql\`SELECT \${self}\`)],`;
  expect(stripOptions(before + checks + after, ["checks"])).toBe(before + after);
});

test("an asset without checks stays as it is", () => {
  const source = `export const a = defineAsset("x/a", { description: "…", body });\n`;
  expect(stripOptions(source, ["checks"])).toBe(source);
});

const folder = path.resolve("assets/retail");
const sources = readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), "utf8")] as const);
test.each(sources.filter(([, source]) => source.includes("defineAsset")))("no check is left in %s", (_name, source) => {
  const stripped = stripOptions(source, ["checks"]);
  expect(stripped).not.toMatch(/\bchecks:/);
  expect(stripped).toContain("body:");
});
