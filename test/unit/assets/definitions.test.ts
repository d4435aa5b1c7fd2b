import { expect, test } from "vitest";
import { buildManifest } from "../../../runtime/build_manifest.ts";

const { assets, faults } = await buildManifest(process.cwd());
const checks = assets.flatMap((asset) => asset.checks);

test("the reference graph is without fault and has the tables that its page promises", () => {
  expect(faults).toEqual([]);
  expect(assets.map(({ key }) => key.join("/"))).toEqual(
    expect.arrayContaining([
      "retail/cleaned_events",
      "retail/dashboard_data",
      "retail/demographics",
      "retail/products",
      "retail/raw_events",
      "retail/revenue_by_store_daily",
      "retail/transactions",
      "retail/user_metrics",
    ]),
  );
});

test("the events flow from the API to the dashboard, and the transactions to the stores' revenue", () => {
  const deps = new Map(assets.map((asset) => [asset.key[1], asset.deps.map((dep) => dep[1])]));
  expect(deps.get("cleaned_events")).toContain("raw_events");
  expect(deps.get("user_metrics")).toContain("cleaned_events");
  expect(deps.get("dashboard_data")).toContain("user_metrics");
  expect(deps.get("revenue_by_store_daily")).toContain("transactions");
});

test("every asset has an owner, a freshness policy and a check that blocks; every column is described", () => {
  const declared = assets.filter(({ body }) => body !== "superset");
  for (const { key, owners, freshness, checks: own, columns } of declared) {
    expect(owners, key.join("/")).not.toEqual([]);
    expect(freshness, key.join("/")).not.toBeNull();
    expect(own.filter(({ blocking }) => blocking).length, key.join("/")).toBeGreaterThan(0);
    for (const { name, description } of columns) expect(description, `${key.join("/")}.${name}`).toBeTruthy();
  }
});

test("no column that holds money is a floating-point number", () => {
  for (const { name, type } of assets.flatMap(({ columns }) => columns)) {
    if (/revenue|discount|sales_value/.test(name) && !name.endsWith("_share")) expect(type).toMatch(/^DECIMAL/);
  }
});

test("there are more than ten checks, and some only warn", () => {
  expect(checks.length).toBeGreaterThan(10);
  expect(checks.some(({ severity }) => severity === "WARN")).toBe(true);
});
