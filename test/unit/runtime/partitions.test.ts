import { describe, expect, test } from "vitest";
import type { Column } from "../../../definitions/column_type.ts";
import {
  allow,
  daily,
  hourly,
  notNull,
  recent,
  rowCount,
  staticKeys,
  twoDimensional,
  unique,
} from "../../../definitions/index.ts";
import type { BucketCounts, CheckOutcome, StagedFacts } from "../../../resources/store.ts";
import {
  judgePartitions,
  planPartitions,
  reportPartitions,
  type RunPartition,
  UnevenPartitionsError,
} from "../../../runtime/partitions.ts";

const column = (kind: "timestamp" | "date" | "string"): { columns: Column[] } => ({
  columns: [{ name: "at", type: { kind }, value: "date", nullable: false, description: null }],
});
const partition = (key: string, start: string, end: string): RunPartition => ({
  key,
  window: { start: new Date(start), end: new Date(end) },
  value: null,
});

const NEW_YORK = daily("at", { start: "2017-01-01", timezone: "America/New_York" });
/** Around the night in which clocks go forward. */
const MARCH = [
  partition("2017-03-11", "2017-03-11T05:00:00Z", "2017-03-12T05:00:00Z"),
  partition("2017-03-12", "2017-03-12T05:00:00Z", "2017-03-13T04:00:00Z"),
  partition("2017-03-13", "2017-03-13T04:00:00Z", "2017-03-14T04:00:00Z"),
];

describe("a run of time partitions", () => {
  test("counts by the day where days are equally long, and by the hour where clocks change", () => {
    const utc = [partition("a", "2017-03-11", "2017-03-12"), partition("b", "2017-03-12", "2017-03-13")];
    const plan = planPartitions(daily("at", { start: "2017-01-01" }), column("timestamp"), utc);
    expect(plan.buckets).toMatchObject({ origin: new Date("2017-03-11"), seconds: 86_400 });
    expect(utc.map((one) => [...plan.bucketsOf(one)])).toEqual([["0"], ["1"]]);

    const march = planPartitions(NEW_YORK, column("timestamp"), MARCH);
    expect(march.buckets).toMatchObject({ origin: new Date("2017-03-11T05:00:00Z"), seconds: 3_600 });
    expect(MARCH.map((one) => [...march.bucketsOf(one)].length)).toEqual([24, 23, 24]);
    expect(new Set(MARCH.flatMap((one) => [...march.bucketsOf(one)])).size).toBe(71);
    expect(march.set).toMatchObject({ start: new Date("2017-03-11T05:00:00Z"), end: new Date("2017-03-14T04:00:00Z") });
  });

  test("replaces and counts a column of days by the days on the partitions' own clock", () => {
    const plan = planPartitions(NEW_YORK, column("date"), MARCH);
    expect(plan.set).toMatchObject({ start: new Date("2017-03-11"), end: new Date("2017-03-14") });
    expect(plan.buckets).toMatchObject({ origin: new Date("2017-03-11"), seconds: 86_400 });
    expect(MARCH.map((one) => [...plan.bucketsOf(one)])).toEqual([["0"], ["1"], ["2"]]);
  });

  test("knows half hours", () => {
    const half = [partition("a", "2017-03-11T00:30:00Z", "2017-03-11T01:30:00Z")];
    const plan = planPartitions(hourly("at", { start: "2017-01-01-00:30" }), column("timestamp"), half);
    expect(plan.buckets).toMatchObject({ origin: new Date("2017-03-11T00:30:00Z"), seconds: 3_600 });
  });

  test("refuses partitions with a gap between them, which it would empty", () => {
    const [first, , third] = MARCH as [RunPartition, RunPartition, RunPartition];
    expect(() => planPartitions(NEW_YORK, column("timestamp"), [first, third])).toThrow(/gaps/);
  });
});

describe("a run of two dimensions", () => {
  const two = twoDimensional(NEW_YORK, staticKeys("shop", ["a", "b", "c"]));
  const cell = (day: number, shop: string): RunPartition => {
    const { key, window } = MARCH[day] as RunPartition;
    return { key: `${key}|${shop}`, window, value: shop };
  };

  test("replaces its window with its keys, and counts each cell by both", () => {
    const cells = [cell(0, "a"), cell(0, "c"), cell(1, "a"), cell(1, "c")];
    const plan = planPartitions(two, column("timestamp"), cells);
    expect(plan.set).toEqual({
      kind: "both",
      conditions: [
        {
          kind: "window",
          column: "at",
          start: new Date("2017-03-11T05:00:00Z"),
          end: new Date("2017-03-13T04:00:00Z"),
        },
        { kind: "keys", column: "shop", keys: ["a", "c"] },
      ],
    });
    const buckets = cells.map((one) => [...plan.bucketsOf(one)]);
    expect(buckets.map((all) => all.length)).toEqual([24, 24, 23, 23]);
    expect(buckets.map((all) => all[0])).toEqual(["0|a", "0|c", "24|a", "24|c"]);
    expect(new Set(buckets.flat()).size).toBe(94);
  });

  test("holds each cell by itself to what is about all rows, and is as fresh as at the end of its time", () => {
    const cells = [cell(0, "a"), cell(0, "c"), cell(1, "a"), cell(1, "c")];
    const plan = planPartitions(two, column("timestamp"), cells);
    expect(cells.map((one) => plan.endOf(one))).toEqual([0, 0, 1, 1].map((day) => MARCH[day]?.window?.end));
    const newest = Date.parse("2017-03-12T04:30:00Z") / 1000;
    const part = (failedRows: bigint): BucketCounts => ({ failedRows, checkedRows: 2n, newest });
    const buckets = new Map(["0|a", "23|c", "24|a", "46|c"].map((name) => [name, part(name === "24|a" ? 1n : 0n)]));
    const counts = { failedRows: 1n, checkedRows: 8n, newest };
    const outcomes = [recent("at", "1h"), rowCount({ min: 1 }), rowCount({ min: 3 }), allow(0.2, notNull("at"))].map(
      (check): CheckOutcome => ({
        ...{ check, passed: true, failedRows: 1n, checkedRows: 8n, sample: null, kept: null, measured: null, error: null },
        ...{ counts, buckets },
      }),
    ); // prettier-ignore
    const judged = judgePartitions(plan, outcomes, { now: new Date("2030-01-01"), history: [] });
    expect(judged.map(({ passed, failedRows }) => [passed, failedRows])).toEqual([
      ...[[false, 2n], [true, 0n], [false, 4n], [false, 1n]],
    ]); // prettier-ignore
    const reports = reportPartitions(plan, null, judged, { now: new Date("2030-01-01"), history: [] });
    expect(reports.map(({ key, checks }) => [key, ...checks.map(({ passed }) => passed)])).toEqual([
      ["2017-03-11|a", true, true, false, true],
      ["2017-03-11|c", true, true, false, true],
      ["2017-03-12|a", false, true, false, false],
      ["2017-03-12|c", false, true, false, true],
    ]);
  });

  test("takes a row or a column of cells", () => {
    const row = ["a", "b"].map((shop) => cell(0, shop));
    const days = [0, 1, 2].map((day) => cell(day, "b"));
    for (const cells of [row, days]) expect(planPartitions(two, column("timestamp"), cells).partitions).toBe(cells);
  });

  test.each([
    [
      "a corner is missing",
      [cell(0, "a"), cell(0, "b"), cell(1, "a")],
      /3 partitions, which are not all its 2 times with all its 2 keys/,
    ],
    ["they are a diagonal", [cell(0, "a"), cell(1, "b")], /2 partitions, which are not all/],
    ["a day is missing", [cell(0, "a"), cell(2, "a")], /gaps/],
  ])("refuses cells that it could only replace with others: %s", (_name, cells, message) => {
    expect(() => planPartitions(two, column("timestamp"), cells)).toThrow(UnevenPartitionsError);
    expect(() => planPartitions(two, column("timestamp"), cells)).toThrow(message);
  });
});

describe("what a partition is reported with", () => {
  const keys = ["a", "b", "c"].map((key): RunPartition => ({ key, window: null, value: key }));
  const plan = planPartitions(staticKeys("at", ["a", "b", "c"]), column("string"), keys);
  const part = (rowCount: bigint): { rowCount: bigint; sums: bigint[] } => ({ rowCount, sums: [rowCount * 7n] });
  const facts: StagedFacts = {
    rowCount: 3n,
    contentHash: "all",
    sample: { columns: [], rows: [] },
    cursor: null,
    buckets: new Map([
      ["a", part(1n)],
      ["b", part(2n)],
    ]),
    hashOf: (parts) => parts.map(({ sums }) => sums.join("+")).join("+"),
  };
  const against = { now: new Date("2030-01-01T00:00:00Z"), history: [] };
  const outcome = (check: CheckOutcome["check"], change: Partial<CheckOutcome> = {}): CheckOutcome => ({
    ...{ check, passed: true, failedRows: 0n, checkedRows: 3n, sample: null, kept: null, measured: null, error: null },
    counts: { failedRows: 1n, checkedRows: 3n, newest: null },
    buckets: new Map([
      ["a", { failedRows: 0n, checkedRows: 1n, newest: null }],
      ["b", { failedRows: 1n, checkedRows: 2n, newest: null }],
    ]),
    ...change,
  });

  test("are its own rows, its own version and its own verdicts", () => {
    const [a, b, c] = reportPartitions(
      plan,
      facts,
      [outcome(unique("at"), { passed: false, failedRows: 1n })],
      against,
    );
    expect(a).toMatchObject({ key: "a", rowCount: 1, dataVersion: "7", checks: [{ passed: true, checkedRows: 1 }] });
    expect(b).toMatchObject({ rowCount: 2, dataVersion: "14", checks: [{ passed: false, failedRows: 1 }] });
    expect(c).toMatchObject({
      rowCount: 0,
      dataVersion: "",
      checks: [{ passed: true, failedRows: 0, checkedRows: 0 }],
    });
  });

  test("are no rows and no version where nothing was published", () => {
    const [a] = reportPartitions(plan, null, [outcome(unique("at"))], against);
    expect(a).toMatchObject({ rowCount: null, dataVersion: null, checks: [{ passed: true }] });
  });

  test("is the verdict of all where a check cannot tell whose a bad row is", () => {
    const reports = reportPartitions(plan, facts, [outcome(unique("at"), { passed: false, buckets: null })], against);
    expect(reports.flatMap(({ checks }) => checks.map(({ passed, failedRows }) => [passed, failedRows]))).toEqual(
      keys.map(() => [false, null]),
    );
  });

  test("is a number of rows that holds for each partition, however many a run computes", () => {
    const [judged] = judgePartitions(plan, [outcome(rowCount({ min: 1, max: 1 }))], against);
    // b has two rows, c none.
    expect(judged).toMatchObject({ passed: false, failedRows: 2n });
    const reports = reportPartitions(plan, facts, judged === undefined ? [] : [judged], against);
    expect(reports.map(({ checks }) => checks[0]?.passed)).toEqual([true, false, false]);
  });
});
