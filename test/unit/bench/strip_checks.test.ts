import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { stripChecks } from "../../../bench/graph/strip_checks.ts";

test("the declared checks are gone, and everything else is there to the letter", () => {
  const before = `export const a = defineAsset("x/a", {\n  description: "checks: []",\n  `;
  const after = `\n  body: sql\`SELECT 1 AS checks\`,\n});\n`;
  const checks = `checks: [matches("c", "[0-9]]+"), sqlCheck("b", sql\`SELECT \${self}\`)],`;
  expect(stripChecks(before + checks + after)).toBe(before + after);
});

test("an asset without checks stays as it is", () => {
  const source = `export const a = defineAsset("x/a", { description: "…", body });\n`;
  expect(stripChecks(source)).toBe(source);
});

const folder = path.resolve("assets/retail");
test.each(readdirSync(folder))("no check is left in %s", (name) => {
  const stripped = stripChecks(readFileSync(path.join(folder, name), "utf8"));
  expect(stripped).not.toMatch(/\bchecks:/);
  expect(stripped).toContain("body:");
});
