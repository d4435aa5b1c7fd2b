import { expect, test } from "vitest";
import { daily, defineAsset, defineSensor, lastOf, offsetOf, type TableRef } from "../../../definitions/index.ts";
import { WarehouseLockedError } from "../../../resources/duckdb/errors.ts";
import { lateData } from "../../../resources/sensors/index.ts";
import { testSensor } from "../../../runtime/testing.ts";
import { BEGIN, building, byDay, byMonth, late, raw, total, World } from "./late_world.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (day: string, hour = 12): number => Date.parse(`${day}T00:00:00Z`) + hour * HOUR;

/** Two days of February, the month and the total are built. */
async function built(): Promise<World> {
  const world = new World();
  for (const day of ["2017-02-01", "2017-02-02"]) world.add(at(day), at(day, 13));
  world.build("late/by_day", "2017-02-01", "2017-02-02");
  world.build("late/by_month", "2017-02-01");
  world.build("late/total", "");
  world.pass(60);
  expect((await world.tick()).runs).toEqual([]);
  return world;
}

test("a late row is computed in its day, then in its month, then in the total, and nothing else is", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  expect(await world.settle()).toEqual(["late/by_day 2017-02-01", "late/by_month 2017-02-01", "late/total"]);
  expect(world.holds("late/total")).toEqual([0, 1, 2]);
  world.pass(600);
  expect(await world.settle()).toEqual([]);
});

test("a month waits for all of its days, and is computed once", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  world.add(at("2017-02-02"));
  const [days, ...others] = (await world.tick()).launched;
  expect(others).toEqual([]);
  expect(days).toMatchObject({ assets: ["late/by_day"], partitionKeys: ["2017-02-01", "2017-02-02"] });
  world.pass(1);
  world.build("late/by_day", "2017-02-01");
  const waiting = await world.tick();
  expect(waiting).toMatchObject({
    runs: [],
    skip: "no rows in late/raw that a partition lacks; 1 partitions wait for the runs that were asked for",
  });
  world.build("late/by_day", "2017-02-02");
  expect((await world.tick()).launched).toMatchObject([{ assets: ["late/by_month"], partitionKeys: ["2017-02-01"] }]);
});

test("the same rows asked for twice are one run, and new ones another", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  const { cursor } = world;
  world.pass(1);
  const [first] = (await world.tick()).runs;
  // As after a tick whose end was not stored.
  world.cursor = cursor;
  world.pass(1);
  const again = await world.tick();
  expect(again.runs.map(({ runKey }) => runKey)).toEqual([first?.runKey]);
  expect(again.launched).toEqual([]);
  expect((await world.tick()).runs).toEqual([]);
  world.add(at("2017-02-01"));
  expect((await world.tick()).launched).toMatchObject([{ partitionKeys: ["2017-02-01"] }]);
});

test("partitions that were never built are left alone, and those that are not over yet", async () => {
  const world = await built();
  world.add(at("2017-02-10"));
  world.add(at("2017-03-01", 0));
  expect(await world.settle()).toEqual([]);
});

test("with unbuilt: build, partitions are built when their first rows come, then those that read them, each once", async () => {
  const world = new World(building);
  world.add(at("2017-02-01"), at("2017-02-01", 13));
  world.pass(60);
  expect(await world.settle()).toEqual(["late/by_day 2017-02-01", "late/by_month 2017-02-01", "late/total"]);
  expect(await world.settle()).toEqual([]);
  world.add(at("2017-02-10"));
  expect(await world.settle()).toEqual(["late/by_day 2017-02-10", "late/by_month 2017-02-01", "late/total"]);
  world.add(at("2017-02-01"));
  expect(await world.settle()).toEqual(["late/by_day 2017-02-01", "late/by_month 2017-02-01", "late/total"]);
  expect(world.holds("late/total")).toEqual([0, 1, 2]);
  world.pass(600);
  expect(await world.settle()).toEqual([]);
});

test("a partition that a run was building when its row came is computed again", async () => {
  const world = await built();
  const run = world.begin("late/by_day", ["2017-02-10"]);
  world.pass(1);
  world.add(at("2017-02-10"));
  expect((await world.tick()).runs).toEqual([]);
  world.pass(5);
  world.publish(run);
  expect(await world.settle()).toContain("late/by_day 2017-02-10");
  expect(world.holds("late/by_day", "2017-02-10")).toEqual([2]);
});

test("a run that began before the row came and publishes after the one with it is overtaken in turn", async () => {
  const world = await built();
  const slow = world.begin("late/by_day", ["2017-02-01"]);
  world.pass(1);
  world.add(at("2017-02-01"));
  await world.settle();
  world.publish(slow);
  expect(world.holds("late/by_day", "2017-02-01")).toEqual([0]);
  await world.settle();
  expect(world.holds("late/by_day", "2017-02-01")).toEqual([0, 2]);
  expect(world.holds("late/total")).toEqual([0, 1, 2]);
});

test("a row that shows up with an older arrival is seen within the lag", async () => {
  const world = await built();
  world.add(at("2017-03-01", 0), world.now);
  await world.settle();
  world.add(at("2017-02-02"), world.now - 9 * 60_000);
  expect(await world.settle()).toContain("late/by_day 2017-02-02");
});

test("a row from the future is seen, and hides no row after it", async () => {
  const world = await built();
  world.add(at("2017-02-01"), world.now + 365 * DAY);
  world.pass(1);
  const tick = await world.tick();
  expect(tick.launched).toMatchObject([{ partitionKeys: ["2017-02-01"] }]);
  expect(tick.log.map(({ message }) => message).join()).toContain("the clock of a row is wrong");
  world.build("late/by_day", "2017-02-01");
  await world.settle();
  world.pass(60);
  world.add(at("2017-02-02"));
  expect(await world.settle()).toContain("late/by_day 2017-02-02");
});

test("a clock that is put back hides no row and asks for none twice", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  await world.settle();
  world.pass(-180);
  world.add(at("2017-02-02"), world.now + HOUR);
  // The clock of the rows goes on, that of the machine is three hours behind.
  expect((await world.tick()).launched).toEqual([]);
  world.pass(180);
  world.add(at("2017-02-02"));
  expect(await world.settle()).toEqual(["late/by_day 2017-02-02", "late/by_month 2017-02-01", "late/total"]);
});

test("before the first tick, what was built before its rows came counts", async () => {
  const world = new World();
  world.add(at("2017-02-01"), BEGIN - 2 * DAY);
  world.add(at("2017-02-02"), BEGIN - 2 * DAY);
  world.build("late/by_day", "2017-02-01", "2017-02-02");
  world.pass(30);
  world.add(at("2017-02-02"));
  expect(await world.settle()).toEqual(["late/by_day 2017-02-02"]);
});

test("a table that was made anew with older rows is held against what was built", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  await world.settle();
  world.rows = world.rows.slice(0, 2);
  const back = await world.tick();
  expect(back.runs).toEqual([]);
  expect(back.log.map(({ message }) => message).join()).toMatch(/went back to .* rows were deleted/);
  world.pass(1);
  world.add(at("2017-02-02"));
  expect(await world.settle()).toContain("late/by_day 2017-02-02");
});

test("rows without a time, and outside of all partitions, are said once and ask for nothing", async () => {
  const world = await built();
  world.add(null);
  world.add(at("2016-12-31"));
  world.add(at("2018-06-01"));
  world.pass(1);
  const tick = await world.tick();
  expect(tick.runs).toEqual([]);
  const said = tick.log.map(({ message }) => message);
  expect(said).toEqual([
    "1 rows that came have no at: they are of no partition",
    "rows came that are of no partition, since there is none of 2016-12-31T00:00:00.000Z to 2018-06-02T00:00:00.000Z",
  ]);
  expect((await world.tick()).log).toEqual([]);
});

test("without the table, or rows in it, there is nothing to do yet", async () => {
  expect(await testSensor(late)).toMatchObject({ runs: [], skip: "there is no table late/raw yet", cursor: null });
  expect(await new World().tick()).toMatchObject({ runs: [], skip: "there are no rows in late/raw", cursor: null });
});

test("a warehouse that a run is writing is looked at later", async () => {
  const tick = await testSensor(late, { arrivals: () => Promise.reject(new WarehouseLockedError("open elsewhere")) });
  expect(tick).toMatchObject({ runs: [], skip: "open elsewhere", cursor: null });
  await expect(testSensor(late, { arrivals: () => Promise.reject(new Error("no server")) })).rejects.toThrow(
    "no server",
  );
});

test("a run that failed is asked for again when it must have ended, and ever more seldom, until one publishes", async () => {
  const world = await built();
  world.add(at("2017-02-01"));
  const asked: number[] = [];
  const said: string[] = [];
  for (let minutes = 0; minutes <= 48 * 60; minutes += 20) {
    world.pass(20);
    const { launched, skip, log } = await world.tick();
    if (launched.length === 0) expect(skip).toContain("1 partitions wait for the runs that were asked for");
    else asked.push(minutes / 60);
    for (const { assets, partitionKeys } of launched)
      expect([assets, partitionKeys]).toEqual([["late/by_day"], ["2017-02-01"]]);
    said.push(...log.filter(({ level }) => level === "warning").map(({ message }) => message));
  }
  // The hour that a run may take, and a tick; then twice as long, up to half a day.
  expect(asked.map(Math.round)).toEqual([0, 1, 4, 8, 16, 28, 40]);
  expect(said.at(-1)).toBe("late/by_day still has not the rows that came, as no run published them: 2017-02-01");
  world.build("late/by_day", "2017-02-01");
  expect(await world.settle()).toEqual(["late/by_month 2017-02-01", "late/total"]);
});

test("the cursor stays small, however many partitions change at once", async () => {
  const world = new World();
  const days = Array.from({ length: 59 }, (_, day) => new Date(Date.UTC(2017, 0, 1 + day)).toISOString().slice(0, 10));
  world.add(at("2017-01-01"), BEGIN - DAY);
  world.build("late/by_day", ...days);
  world.pass(60);
  await world.tick();
  for (const day of days) world.add(at(day));
  const { launched } = await world.tick();
  expect(launched).toMatchObject([{ partitionKeys: days }]);
  expect((world.cursor as { open: unknown[] }).open).toHaveLength(1);
});

test("whatever comes when, nothing that was built lacks a row in the end, and nothing more is asked for", async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = generator(seed);
    const world = new World();
    const hidden: { at: number; came: number; shows: number }[] = [];
    const running: { publishes: number; build: ReturnType<World["begin"]> }[] = [];
    const day = (): string => new Date(BEGIN - (1 + random(20)) * DAY).toISOString().slice(0, 10);
    for (let step = 0; step < 120; step += 1) {
      world.pass(random(4));
      const chance = random(10);
      if (chance < 3)
        hidden.push({ at: at(day(), random(24)), came: world.now, shows: world.now + random(9) * 60_000 });
      if (chance === 3)
        running.push({ publishes: world.now + random(50) * 60_000, build: world.begin("late/by_day", [day()]) });
      if (chance === 4)
        running.push({
          publishes: world.now + random(50) * 60_000,
          build: world.begin("late/by_month", ["2017-02-01"]),
        });
      for (const one of hidden.splice(0)) {
        if (one.shows <= world.now) world.add(one.at, one.came);
        else hidden.push(one);
      }
      for (const one of running.splice(0)) {
        if (one.publishes <= world.now) world.publish(one.build);
        else running.push(one);
      }
      if (chance > 6) {
        for (const { assets, partitionKeys } of (await world.tick()).launched)
          // One in five fails.
          if (random(5) > 0)
            running.push({
              publishes: world.now + random(30) * 60_000,
              build: world.begin(assets[0] as never, partitionKeys ?? [""]),
            });
      }
    }
    for (const { at: time, came } of hidden) world.add(time, came);
    for (const { build } of running) {
      world.pass(1);
      world.publish(build);
    }
    for (let hours = 0; hours <= 24; hours += 1) {
      await world.settle();
      world.pass(60);
    }
    for (const name of world.tables.keys()) {
      const [key = "", partition = ""] = name.split(" ");
      const held = world.holds(key as never, partition);
      const now = world.begin(key as never, [partition]).rows.get(partition) ?? new Set<number>();
      if (key === "late/by_day") expect(held, `seed ${seed}: ${name}`).toEqual([...now].sort((a, b) => a - b));
    }
    expect(await world.settle(), `seed ${seed}`).toEqual([]);
  }
});

/** Numbers from 0 to below a limit, the same for a seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("assets through which late rows cannot be followed are refused by name", async () => {
  const base = { description: "x", columns: raw.columns };
  const reads = (...deps: TableRef[]) => ({ async *rows() {}, deps });
  const partitions = daily("at", { start: "2017-01-01" });
  const between = defineAsset("late/between", { ...base, partitions, body: reads(raw) });
  const behind = defineAsset("late/behind", { ...base, partitions, body: reads(between) });
  const whole = defineAsset("late/whole", { ...base, body: reads(raw) });
  const beside = defineAsset("late/beside", { ...base, partitions, body: reads() });
  const last = defineAsset("late/last", {
    ...base,
    partitions,
    partitionMappings: [lastOf(byDay)],
    body: reads(byDay),
  });
  const afterTotal = defineAsset("late/after_total", { ...base, partitions, body: reads(total) });
  const fault = async (...assets: TableRef[]): Promise<string> => {
    const logic = lateData({ source: raw, time: "at", arrived: "came" });
    return await testSensor(defineSensor("late/refused", { description: "x", assets, ...logic })).then(
      ({ skip }) => `no fault: ${skip ?? ""}`,
      String,
    );
  };
  expect(await fault(byDay, behind)).toContain("late/behind reads late/between, which reads late/raw");
  expect(await fault(whole)).toContain("late/whole reads the source and has no partitions");
  expect(await fault(beside)).toContain("late/beside reads neither the source late/raw nor another of the assets");
  expect(await fault(byDay, last)).toContain(
    "late/last reads late/by_day by a mapping of partitions other than offsetOf",
  );
  expect(await fault(byDay, byMonth, total, afterTotal)).toContain(
    "late/after_total reads late/total, which has no partitions",
  );
  expect(await fault(byDay, byMonth, total, between, behind)).toMatch(/^no fault/);
});

test("an asset that reads days around its own is computed for those too", async () => {
  const base = { description: "x", columns: raw.columns };
  const partitions = daily("at", { start: "2017-01-01" });
  const rolling = defineAsset("late/rolling", {
    ...{ ...base, partitions, partitionMappings: [offsetOf(byDay, { start: -2 })] },
    body: { async *rows() {}, deps: [byDay] },
  });
  const sensor = defineSensor("late/of_rolling", {
    ...{ description: "x", assets: [byDay, rolling], ...lateData({ source: raw, time: "at", arrived: "came" }) },
  });
  const publish = { runId: "r", startedAt: "2017-03-01T00:00:00.000000Z", publishedAt: "2017-03-01T00:01:00.000000Z" };
  const late = { ...publish, startedAt: "2017-03-01T03:00:00.000000Z" };
  const since = "2017-03-01T02:00:00.000000Z";
  const tick = await testSensor(sensor, {
    now: new Date("2017-03-01T04:00:00Z"),
    cursor: {
      ...{ from: since, counted: [] },
      open: [
        { asset: "late/by_day", start: BEGIN - 9 * DAY, end: BEGIN - 8 * DAY, since, asked: since, settled: false },
      ],
    },
    arrivals: () =>
      Promise.resolve({
        ...{ readAt: "2017-03-01T04:00:00.000000Z", newest: since, keptFrom: since },
        ...{ wentBack: false, isDay: false, groups: [] },
      }),
    lastPublishes: ({ assetKey }, keys) =>
      Promise.resolve(new Map((keys ?? []).map((key) => [key, assetKey === "late/by_day" ? late : publish]))),
  });
  expect(tick.runs).toMatchObject([
    { assets: ["late/rolling"], partitionKeys: ["2017-02-20", "2017-02-21", "2017-02-22"] },
  ]);
});
