import { expect, test } from "vitest";
import { sortByNeeds } from "../../../runtime/order.ts";

const sort = (graph: Readonly<Record<string, string>>) =>
  sortByNeeds(Object.keys(graph), (node) => (graph[node] ?? "").split(""));

test("every node comes after those that it needs; needs outside of the graph are left out", () => {
  const { sorted, cycles } = sort({ d: "bc", c: "a", b: "a", a: "xyz" });
  expect(sorted).toEqual(["a", "b", "c", "d"]);
  expect(cycles).toEqual([]);
});

test("a cycle is named once, by its shortest way around, and all of its knot is known", () => {
  const { cycles, knotted, sorted } = sort({ a: "bc", b: "a", c: "b", d: "a", e: "" });
  expect(cycles).toHaveLength(1);
  expect(cycles[0]?.toSorted()).toEqual(["a", "b"]);
  expect([...knotted].toSorted()).toEqual(["a", "b", "c"]);
  expect(sorted.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
  expect(sorted.indexOf("d")).toBeGreaterThan(sorted.indexOf("a"));
});

test("a node that needs itself is a cycle of one", () => {
  expect(sort({ a: "a", b: "a" })).toMatchObject({ cycles: [["a"]], knotted: new Set(["a"]) });
});

test("two separate cycles are two", () => {
  expect(sort({ a: "b", b: "a", c: "d", d: "c", e: "ac" }).cycles.map((cycle) => cycle.toSorted())).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
});

test("the result does not depend on the order of the needs", () => {
  expect(sort({ a: "bc", b: "d", c: "d", d: "" }).sorted.at(0)).toBe("d");
  expect(sort({ a: "cb", b: "d", c: "d", d: "" }).sorted.at(-1)).toBe("a");
});

test("a chain of five thousand is sorted", () => {
  const { sorted, cycles } = sortByNeeds(
    Array.from({ length: 5_000 }, (_, index) => index),
    (node) => [node + 1],
  );
  expect(cycles).toEqual([]);
  expect(sorted[0]).toBe(4_999);
});
