import { expect, test } from "vitest";
import { daily, dynamicKeys, hourly, monthly, staticKeys, twoDimensional, weekly } from "../../../definitions/index.ts";
import { PartitionSelectionError, selectPartitions } from "../../../runtime/select_partitions.ts";

const days = daily("at", { start: "2017-03-10", end: "2017-04-10", timezone: "America/New_York" });

test("a range of days has their windows, also where clocks change", () => {
  const found = selectPartitions("a/b", days, "2017-03-11...2017-03-13");
  expect(found).toEqual([
    {
      key: "2017-03-11",
      window: { start: new Date("2017-03-11T05:00Z"), end: new Date("2017-03-12T05:00Z") },
      value: null,
    },
    {
      key: "2017-03-12",
      window: { start: new Date("2017-03-12T05:00Z"), end: new Date("2017-03-13T04:00Z") },
      value: null,
    },
    {
      key: "2017-03-13",
      window: { start: new Date("2017-03-13T04:00Z"), end: new Date("2017-03-14T04:00Z") },
      value: null,
    },
  ]);
});

test.each([
  [hourly("at", { start: "2017-03-10-00:00" }), "2017-03-10-22:00...2017-03-11-01:00", 4],
  [weekly("at", { start: "2017-01-01" }), "2017-01-01...2017-01-15", 3],
  [monthly("at", { start: "2017-01-01" }), "2017-01-01...2017-12-01", 12],
  [days, "2017-03-10", 1],
] as const)("%j: %s are %i partitions", (partitions, selection, count) => {
  expect(selectPartitions("a/b", partitions, selection)).toHaveLength(count);
});

test("keys are taken as they are, and in the order of their list", () => {
  const keys = staticKeys("c", ["x", "y", "a", "b"]);
  expect(selectPartitions("a/b", keys, "y")).toEqual([{ key: "y", window: null, value: "y" }]);
  expect(selectPartitions("a/b", keys, "y...b").map(({ value }) => value)).toEqual(["y", "a", "b"]);
  expect(selectPartitions("a/b", dynamicKeys("c", "list"), "it's")).toEqual([
    { key: "it's", window: null, value: "it's" },
  ]);
});

test("two corners are all cells between them", () => {
  const cells = twoDimensional(days, staticKeys("c", ["x", "y", "z"]));
  const found = selectPartitions("a/b", cells, "2017-03-11|y...2017-03-12|z");
  expect(found.map(({ key }) => key)).toEqual(["2017-03-11|y", "2017-03-11|z", "2017-03-12|y", "2017-03-12|z"]);
  expect(found[1]).toEqual({
    key: "2017-03-11|z",
    window: { start: new Date("2017-03-11T05:00Z"), end: new Date("2017-03-12T05:00Z") },
    value: "z",
  });
});

test.each([
  [days, "2017-03-09", "no partition 2017-03-09"],
  [days, "2017-04-09...2017-04-10", "no partition 2017-04-10"],
  [days, "2017-03-12...2017-03-11", "from 2017-03-12 to 2017-03-11"],
  [days, "2017-3-12", "expected a day"],
  [days, "2017-03-11...2017-03-12...2017-03-13", "is no range"],
  [days, "'; DROP TABLE x; --", "expected a day"],
  [weekly("at", { start: "2017-01-01" }), "2017-01-02", "one of them does not begin then"],
  [daily("at", { start: "2017-01-01" }), "2999-01-01", "no partition 2999-01-01, or not yet"],
  [staticKeys("c", ["x", "y"]), "z", "expected one of x, y"],
  [staticKeys("c", ["x", "y"]), "y...x", "x does not come after y"],
  [dynamicKeys("c", "list"), "x...y", "y does not come after x"],
  [twoDimensional(days, staticKeys("c", ["x"])), "2017-03-11", "a time and a key"],
] as const)("%j: %s is refused", (partitions, selection, reason) => {
  expect(() => selectPartitions("a/b", partitions, selection)).toThrow(PartitionSelectionError);
  expect(() => selectPartitions("a/b", partitions, selection)).toThrow(reason);
});
