import { expect, test } from "vitest";
import { daily, hourly, monthly, weekly } from "../../../definitions/index.ts";
import {
  commonSeconds,
  dayStart,
  periodAt,
  periodsIn,
  shifted,
  spanOf,
  tryGetPeriod,
} from "../../../definitions/time_periods.ts";

const start = "2017-01-01";
const until = Date.UTC(2018, 0, 1);

test.each([
  [[daily("at", { start })], 86_400],
  [[monthly("at", { start }), weekly("at", { start })], 86_400],
  [[hourly("at", { start: "2017-01-01-00:00" })], 3_600],
  [[daily("at", { start, timezone: "America/New_York" })], 3_600],
  [[daily("at", { start, timezone: "Asia/Kolkata" }), daily("at", { start })], 1_800],
  [[monthly("at", { start, timezone: "Asia/Kathmandu" })], 900],
])("rows are counted in the longest stretches that no partition cuts: %#", (partitions, expected) => {
  expect(commonSeconds(partitions, until)).toBe(expected);
});

test("the hour that comes twice is two partitions", () => {
  const berlin = hourly("at", { start: "2017-01-01-00:00", timezone: "Europe/Berlin" });
  const keys = [...periodsIn(berlin, Date.UTC(2017, 9, 29, 0), Date.UTC(2017, 9, 29, 2))].map(({ key }) => key);
  expect(keys).toEqual(["2017-10-29-02:00", "2017-10-29-02:00+0100"]);
});

test("what is no key of a partition is none", () => {
  const days = daily("at", { start });
  expect(tryGetPeriod(days, "2017-03-04")?.start).toBe(Date.UTC(2017, 2, 4));
  for (const text of ["", "x", "2017-02-30", "2017-03-04T00:00", "2017-03-04-12:00", "2017-03-04'; DROP TABLE x; --"])
    expect(tryGetPeriod(days, text), text).toBeUndefined();
  expect(tryGetPeriod(weekly("at", { start }), "2017-01-02")).toBeUndefined();
});

test("partitions are counted forth and back", () => {
  const months = monthly("at", { start });
  const march = periodAt(months, Date.UTC(2017, 2, 31));
  expect([-3, 0, 10].map((count) => shifted(months, march, count).key)).toEqual([
    "2016-12-01",
    "2017-03-01",
    "2018-01-01",
  ]);
});

test("a day begins on the clock of the partitions, also where the clock skips midnight", () => {
  const inZone = (timezone: string) => daily("at", { start, timezone });
  expect(dayStart(inZone("America/New_York"), Date.UTC(2017, 6, 1))).toBe(Date.UTC(2017, 6, 1, 4));
  expect(dayStart(inZone("America/Sao_Paulo"), Date.UTC(2017, 9, 15))).toBe(Date.UTC(2017, 9, 15, 3));
});

test.each([
  ["up to now", daily("at", { start }), "2017-03-04T05:00:00Z", "2017-01-01T00:00:00Z", "2017-03-04T00:00:00Z"],
  ["up to their end", daily("at", { start, end: "2017-02-01" }), "2017-03-04", "2017-01-01", "2017-02-01"],
  ["on their clock", daily("at", { start, timezone: "America/New_York" }), "2017-07-02T03:00:00Z", "2017-01-01T05:00:00Z", "2017-07-01T04:00:00Z"], // prettier-ignore
  ["from the first whole one", monthly("at", { start: "2017-01-02" }), "2017-04-01", "2017-02-01", "2017-04-01"],
  ["to the last whole one", weekly("at", { start, end: "2017-01-20" }), "2018-01-01", "2017-01-01", "2017-01-15"],
  ["before there is one", daily("at", { start }), "2017-01-01T23:59:59Z", "2017-01-01", "2017-01-01"],
  ["long before", daily("at", { start }), "2016-01-01", "2017-01-01", "2017-01-01"],
])("all partitions that are over span one time: %s", (_name, partitions, now, from, to) => {
  expect(spanOf(partitions, new Date(now))).toEqual({ start: new Date(from), end: new Date(to) });
});
