import { expect, test } from "vitest";
import {
  allOf,
  daily,
  dynamicKeys,
  hourly,
  lastOf,
  offsetOf,
  type PartitionMapping,
  type Partitions,
  someOf,
  staticKeys,
  twoDimensional,
} from "../../../definitions/index.ts";
import { mappingOf } from "../../../runtime/partition_mappings.ts";

const read = { kind: "table", assetKey: "a/read" } as const;
const asset = ["a", "read"];
const days = daily("day", { start: "2017-01-01" });
const hours = hourly("at", { start: "2017-01-01-00:00" });
const shops = staticKeys("shop", ["a", "b"]);
const others = staticKeys("kind", ["x"]);
const list = dynamicKeys("shop", "shops");
const cells = twoDimensional(days, shops);
const same = twoDimensional(daily("at", { start: "2017-01-01" }), staticKeys("store", ["a", "b"]));
const byTime = { kind: "dimensions", asset, time: "offset", start: 0, end: 0 };

const map = (from: Partitions | undefined, to: Partitions | undefined, declared?: PartitionMapping): unknown =>
  mappingOf({ assetKey: "a/read", from, to, declared });

test.each<[string, Partitions | undefined, Partitions | undefined]>([
  ["nothing partitioned", undefined, undefined],
  ["an asset without partitions", undefined, cells],
  ["by an asset without partitions", cells, undefined],
  ["the same cells, whatever their columns are called", same, cells],
  ["days by cells", days, cells],
  ["cells by days", cells, days],
  ["hours by cells of days", hours, cells],
  ["keys by cells of them", shops, cells],
  ["cells by their keys", cells, staticKeys("store", ["a", "b"])],
  ["hours by days", hours, days],
  ["keys by keys", shops, others],
])("Dagster knows by itself what is read: %s", (_name, from, to) => {
  expect(map(from, to)).toBeNull();
});

test.each<[string, Partitions, Partitions, PartitionMapping | undefined, unknown]>([
  ["cells of hours by those of days", twoDimensional(hours, shops), cells, undefined, { ...byTime, same_keys: true }],
  [
    "cells of a longer list",
    twoDimensional(days, staticKeys("shop", ["a", "b", "c"])),
    cells,
    undefined,
    { ...byTime, same_keys: true },
  ],
  ["cells of other keys", twoDimensional(days, others), cells, undefined, { ...byTime, same_keys: false }],
  ["cells of a list", twoDimensional(days, list), cells, undefined, { ...byTime, same_keys: false }],
  ["the last", same, cells, lastOf(read), { ...byTime, time: "last", same_keys: true }],
  ["an offset", same, cells, offsetOf(read, { start: -1 }), { ...byTime, start: -1, same_keys: true }],
  ["all", cells, days, allOf(read), { kind: "all", asset }],
  ["some", cells, list, someOf(read, ["2017-01-01|a"]), { kind: "keys", asset, keys: ["2017-01-01|a"] }],
  ["the last day", days, cells, lastOf(read), { kind: "last", asset }],
  ["the day before", days, hours, offsetOf(read, { start: -1 }), { kind: "offset", asset, start: -1, end: 0 }],
])("Dagster is told what is read: %s", (_name, from, to, declared, expected) => {
  expect(map(from, to, declared)).toEqual(expected);
});

test.each<[string, Partitions, Partitions, PartitionMapping | undefined, RegExp]>([
  ["days by keys", days, shops, undefined, /reads a\/read, whose partitions are others.*allOf/],
  ["keys by a list", shops, list, undefined, /allOf/],
  ["cells by other keys", cells, others, undefined, /allOf/],
  ["other keys by cells", others, cells, undefined, /allOf/],
  ["the last cell by days", cells, days, lastOf(read), /lastOf a\/read, whose partitions have two dimensions/],
  ["an offset of cells by days", cells, days, offsetOf(read, { start: -1 }), /offsetOf a\/read is between times/],
  ["an offset of days by cells", days, cells, offsetOf(read, { start: -1 }), /offsetOf/],
  ["an offset of keys", shops, shops, offsetOf(read, { start: -1 }), /offsetOf/],
])("what Dagster would refuse or misread is a fault: %s", (_name, from, to, declared, message) => {
  expect(map(from, to, declared)).toMatch(message);
});
