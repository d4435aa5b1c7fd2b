import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { isGood, table, type AssetReport, type RunReport } from "../../../ops/start/report.ts";

const PUBLISHED: AssetReport = {
  asset: "retail/raw_events",
  outcome: "published",
  table: "retail.raw_events",
  rows: 1_469_307,
  seconds: 12.34,
  message: null,
  checks_declared: 2,
  checks_passed: 2,
  warnings: [],
  failures: [],
  blocking_failures: [],
};

function run(...assets: Partial<AssetReport>[]): RunReport {
  return { run_id: "r", status: "SUCCESS", assets: assets.map((asset) => ({ ...PUBLISHED, ...asset })) };
}

describe("a run is good", () => {
  test("when every asset is published, warnings or not", () => {
    expect(isGood(run({}, { warnings: ["between_quantity"], checks_passed: 1 }))).toBe(true);
  });

  test.each<[string, RunReport]>([
    ["Dagster says that it failed", { ...run({}), status: "FAILURE" }],
    ["it has no asset", run()],
    ["an asset did not run", run({}, { outcome: "not run" })],
    ["an asset failed", run({}, { outcome: "failed" })],
    ["a blocking check failed", run({ blocking_failures: ["unique_event_id"] })],
  ])("never when %s", (_, report) => {
    expect(isGood(report)).toBe(false);
  });
});

describe("the table", () => {
  const lines = (report: RunReport): string[] => stripVTControlCharacters(table(report)).split("\n");

  test("says rows, checks, seconds and table of each asset", () => {
    expect(lines(run({}))[2]).toMatch(/^retail\/raw_events +1,469,307 +2\/2 +12\.3 +retail\.raw_events$/);
  });

  test("names what warned, what was refused, and why an asset failed", () => {
    const text = lines(
      run(
        { warnings: ["between_quantity"] },
        { outcome: "failed", blocking_failures: ["not_null_user_id"] },
        { outcome: "failed", message: "the body threw" },
      ),
    ).join("\n");
    expect(text).toMatch(/1 warned/);
    for (const word of ["between_quantity", "not_null_user_id", "the body threw"]) expect(text).toContain(word);
  });

  test("shows of a stack the places in assets only", () => {
    const message = [
      "PostgresUnreachableError: nobody is there",
      "    at prove (file:///project/resources/postgres/client.ts:1:2)",
      "TypeError: no id",
      "    at rows (file:///project/assets/retail/raw_events.ts:3:4)",
      "    at stage (file:///project/runtime/stage_rows.ts:5:6)",
    ].join("\n");
    const text = lines(run({ outcome: "failed", message })).join("\n");
    expect(text).toContain("nobody is there");
    expect(text).toContain("assets/retail/raw_events.ts:3:4");
    expect(text).not.toMatch(/client\.ts|stage_rows\.ts/);
  });
});
