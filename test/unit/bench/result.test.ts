import { describe, expect, test } from "vitest";
import { type Contender, contest, getSummary, type Summary, summarize } from "../../../bench/lib/contest.ts";
import { median } from "../../../bench/lib/median.ts";
import { type Bar, holds, type Result, resultLine, resultTable, table } from "../../../bench/lib/result.ts";

const summary = (name: string, medianS: number, peakMb?: number): Summary => ({
  name,
  seconds: [medianS],
  medianS,
  minS: medianS,
  maxS: medianS,
  cpuS: undefined,
  peakMb,
  extra: {},
});

const result: Result = {
  bench: "graph",
  contenders: [summary("ours", 1.23456, 100.6), summary("theirs", 2, undefined)],
  bars: [
    { name: "ratio", value: 0.61728, limit: 1, below: true },
    { name: "seconds", value: 3.5, limit: 3 },
  ],
};

describe("the median", () => {
  test("is the middle value, whatever the order", () => {
    expect(median([3, 1, 2])).toBe(2);
  });
  test("of an even number of values is the mean of the two in the middle", () => {
    expect(median([4, 1, 2, 10])).toBe(3);
  });
  test("does not sort numbers as texts", () => {
    expect(median([10, 9, 100])).toBe(10);
  });
  test("of nothing is no number", () => {
    expect(median([])).toBeNaN();
  });
});

describe("a bar", () => {
  const bar: Bar = { name: "x", value: 2, limit: 2 };
  test("holds up to its limit", () => {
    expect(holds(bar)).toBe(true);
    expect(holds({ ...bar, value: 2.001 })).toBe(false);
  });
  test("that must be beaten does not hold at its limit", () => {
    expect(holds({ ...bar, below: true })).toBe(false);
    expect(holds({ ...bar, value: 1.999, below: true })).toBe(true);
  });
  test("without a value does not hold", () => {
    expect(holds({ ...bar, value: Number.NaN })).toBe(false);
    expect(holds({ ...bar, value: Number.NaN, below: true })).toBe(false);
  });
});

describe("the last line", () => {
  test("is one line of JSON with the medians, the peaks and the bars", () => {
    const line = resultLine(result);
    expect(line).not.toContain("\n");
    expect(JSON.parse(line)).toEqual({
      bench: "graph",
      contenders: { ours: { median_s: 1.235, peak_mb: 101 }, theirs: { median_s: 2, peak_mb: null } },
      bars: {
        ratio: { value: 0.617, limit: 1, holds: true },
        seconds: { value: 3.5, limit: 3, holds: false },
      },
    });
  });
  test("is JSON also when a value could not be computed", () => {
    const bars = [{ name: "x", value: Number.NaN, limit: 1 }];
    expect(JSON.parse(resultLine({ ...result, bars }))).toMatchObject({ bars: { x: { value: null, holds: false } } });
  });
});

describe("the table", () => {
  test("names every contender and bar, and says which bar does not hold", () => {
    const text = resultTable(result);
    expect(text).toMatch(/^ours +1\.235 .* 101$/m);
    expect(text).toMatch(/^ratio +0\.617 +< 1 +holds$/m);
    expect(text).toMatch(/^seconds +3\.500 +≤ 3 +DOES NOT HOLD$/m);
  });
  test("has a column for every extra figure, empty where a contender has none", () => {
    const [first = summary("", 0), ...others] = result.contenders;
    const text = resultTable({ ...result, contenders: [{ ...first, extra: { "rows/s": 200_000 } }, ...others] });
    expect(text).toMatch(/^contender .* rows\/s$/m);
    expect(text).toMatch(/^ours .* 200,000$/m);
  });
  test("aligns names to the left and figures to the right", () => {
    expect(
      table(
        ["a", "b"],
        [
          ["long", "1"],
          ["x", "100"],
        ],
      ).split("\n"),
    ).toEqual(["a       b", "────  ───", "long    1", "x     100"]);
  });
});

describe("a contest", () => {
  const run = async (rounds: number, warmUp: number): Promise<{ order: string[]; summaries: Summary[] }> => {
    const order: string[] = [];
    const contender = (name: string, times: number[]): Contender => ({
      name,
      run: () => {
        order.push(name);
        return Promise.resolve({ seconds: times.shift() ?? 0, peakMb: order.length });
      },
    });
    const contenders = [contender("a", [9, 1, 3, 2]), contender("b", [9, 4, 4, 4])];
    return { order, summaries: await contest(contenders, { rounds, warmUp, say: () => undefined }) };
  };

  test("runs the contenders in turn, round after round", async () => {
    const { order } = await run(2, 1);
    expect(order.join("")).toBe("ababab");
  });
  test("does not count the warm-up", async () => {
    const { summaries } = await run(3, 1);
    expect(getSummary(summaries)("a")).toMatchObject({ medianS: 2, minS: 1, maxS: 3 });
  });
  test("reports the median of the peaks of the rounds", async () => {
    const { summaries } = await run(3, 0);
    expect(getSummary(summaries)("a").peakMb).toBe(3);
  });
  test("ends when a contender fails: a bench without one of them compares nothing", async () => {
    const failing = { name: "x", run: () => Promise.reject(new Error("no")) };
    await expect(contest([failing], { rounds: 1, warmUp: 0, say: () => undefined })).rejects.toThrow("no");
  });
  test("knows no contender that did not run", async () => {
    const { summaries } = await run(1, 0);
    expect(() => getSummary(summaries)("c")).toThrow(Error);
  });
});

test("a summary holds the median of each extra figure, also where a round lacks it", () => {
  const { extra } = summarize("x", [
    { seconds: 1, extra: { hash: 1 } },
    { seconds: 1 },
    { seconds: 1, extra: { hash: 3 } },
  ]);
  expect(extra).toEqual({ hash: 2 });
});
