import { describe, expect, test } from "vitest";
import type { Partitions } from "../../../definitions/partitions.ts";
import {
  daily,
  dynamicKeys,
  keys,
  sameSum,
  self,
  sql,
  sqlCheck,
  staticKeys,
  twoDimensional,
  unique,
  window,
} from "../../../definitions/index.ts";
import type { Check } from "../../../definitions/check.ts";
import { checkQuery } from "../../../resources/check_rules.ts";
import { DUCKDB_CHECKS } from "../../../resources/duckdb/checks.ts";
import { bindChecks } from "../../../runtime/check_bounds.ts";

const NOW = new Date("2017-01-04T12:00:00Z");
const days = daily("at", { start: "2017-01-01" });
const shops = staticKeys("shop", ["a", "it's"]);
const span = (from: string, to: string): { start: Date; end: Date } => ({ start: new Date(from), end: new Date(to) });
const ALL = span("2017-01-01", "2017-01-04");
const SECOND = span("2017-01-02", "2017-01-03");

const inWindow = sql`at >= ${window.start} AND at < ${window.end}`;
const own = sqlCheck("own", sql`SELECT * FROM ${self} WHERE NOT (${inWindow} AND shop IN ${keys})`);
const sum = sameSum("n", { kind: "table", assetKey: "a/lines", c: { n: 0 } }, "n", {
  where: sql`${inWindow} AND shop IN ${keys}`,
});

/** The parameters of a check, bound to a run. */
function boundTo(
  partitions: Partitions,
  run: {
    readonly window: { readonly start: Date; readonly end: Date } | null;
    readonly keys: readonly string[] | null;
  },
  check: Check,
): { readonly text: string; readonly parameters: readonly unknown[] } {
  const store = { typeName: () => "VARCHAR" };
  const asset = { defined: { options: { partitions } }, store } as unknown as Parameters<typeof bindChecks>[0];
  const bound = bindChecks(asset, [unique("n"), check], run, NOW);
  expect(bound.checks[0]).toEqual(unique("n"));
  return checkQuery(DUCKDB_CHECKS, bound.checks[1] as Check, { columns: [], relation: "staged" }, bound);
}

describe.each([["a query", own], ["a sum", sum]])("the SQL of %s", (_name, check) => {
  test("has the window and the keys of a run of partitions", () => {
    const run = { window: SECOND, keys: ["it's"] };
    expect(boundTo(twoDimensional(days, shops), run, check).parameters).toEqual([SECOND.start, SECOND.end, "it's"]);
  });

  test("has all of them where the whole table is checked, of a list that grows those of the rows", () => {
    const run = { window: null, keys: null };
    const all = boundTo(twoDimensional(days, shops), run, check);
    expect(all.parameters).toEqual([ALL.start, ALL.end, "a", "it's"]);
    const growing = boundTo(twoDimensional(days, dynamicKeys("shop", "shops")), run, check);
    expect(growing.parameters).toEqual([ALL.start, ALL.end]);
    expect(growing.text).toContain('shop IN (SELECT "shop" FROM staged)');
  });
}); // prettier-ignore
