import { expect, test } from "vitest";
import { csv, date, decimal, json, supersetDataset, validateMigration, xlsx, z } from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import type { ValidationOptions } from "../../../definitions/migration.ts";

const SHAPE = { shop: z.string(), day: date(), revenue: decimal(14, 2) };
let count = 0;

/** What is wrong with a validation that is sound but for this change. */
function faultsOf(change: Partial<ValidationOptions<typeof SHAPE>>): readonly string[] {
  const key = `faults/v${++count}`;
  validateMigration(key, {
    ...{ description: "A test.", left: supersetDataset("a.b"), right: csv("a.csv"), key: ["shop"] },
    columns: z.strictObject(SHAPE),
    ...change,
  });
  return (definedAssets().find((asset) => asset.key === key)?.faults ?? []).map(({ message }) => message);
}

test("a sound validation has no fault, and the columns of its differences", () => {
  expect(faultsOf({})).toEqual([]);
  const columns = definedAssets()
    .at(-1)
    ?.columns.map(({ name }) => name);
  expect(columns).toEqual(expect.arrayContaining(["kind", "key", "left_value", "right_value", "place"]));
});

test.each<[string, Partial<ValidationOptions<typeof SHAPE>>, RegExp]>([
  ["a key of no column", { key: ["shops" as "shop"] }, /key names column "shops"/],
  ["no key", { key: [] as never }, /expected the columns that name a row/],
  ["a name of no column", { names: { right: { shops: "Shop" } as never } }, /names.right names column "shops"/],
  ["a tolerance that is no number", { compare: { revenue: { absolute: "1 cent" } } }, /absolute: expected a number/],
  ["a share that is none", { compare: { revenue: { relative: 5 } } }, /expected a share from 0 to below 1/],
  [
    "documents",
    { columns: z.strictObject({ ...SHAPE, revenue: json(z.object({})) }) as never },
    /documents are not compared/,
  ],
  ["a side that is undefined", { left: undefined as never }, /left: the source is undefined/],
  ["a range that is none", { right: xlsx("a.xlsx", { sheet: "A", range: "B1" }) }, /range: expected cells such as/],
  ["a table without a name", { right: xlsx("a.xlsx", { table: "" }) }, /expected the name of a table/],
  ["an encoding that is none", { right: csv("a.csv", { encoding: "ebcdic" }) }, /no encoding "ebcdic"/],
  ["a delimiter of two letters", { right: csv("a.csv", { delimiter: ";;" }) }, /delimiter: expected one character/],
  ["a zone that is none", { right: csv("a.csv", { timezone: "Mars/Olympus" }) }, /Mars\/Olympus/],
  ["a dataset without a schema", { left: supersetDataset("sales") }, /expected supersetDataset\(asset\)/],
  ["no rows to keep", { maxRows: 0 }, /maxRows: expected a whole number/],
])("%s is a fault", (_what, change, message) => {
  expect(faultsOf(change).join("\n")).toMatch(message);
});
