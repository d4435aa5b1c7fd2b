import { expect, test } from "vitest";
import { daily, hourly, monthly, weekly } from "../../../definitions/index.ts";
import { commonSeconds, dayStart, periodAt, periodsIn, shifted } from "../../../definitions/time_periods.ts";

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
