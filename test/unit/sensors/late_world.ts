import { daily, defineAsset, defineSensor, monthly, type Sensor, timestamp, z } from "../../../definitions/index.ts";
import { periodAt } from "../../../definitions/time_periods.ts";
import type { Arrivals, ArrivalsQuery, LastPublish } from "../../../definitions/tick.ts";
import { lateData, type LateDataCursor } from "../../../resources/sensors/index.ts";
import { instantOf } from "../../../resources/sensors/late_data/instant.ts";
import { testSensor, type TestRun, type TestSensorTick } from "../../../runtime/testing.ts";

const MINUTE = 60_000;
export const BEGIN = Date.UTC(2017, 2, 1);
const columns = z.strictObject({ id: z.int(), at: timestamp(), came: timestamp() });
const body = { async *rows() {} };

export const raw = defineAsset("late/raw", { description: "x", columns, body });
const days = daily("at", { start: "2017-01-01", end: "2018-01-01" });
const months = monthly("at", { start: "2017-01-01" });
export const byDay = defineAsset("late/by_day", {
  ...{ description: "x", columns, partitions: days, body: { ...body, deps: [raw] } },
});
export const byMonth = defineAsset("late/by_month", {
  ...{ description: "x", columns, partitions: months, body: { ...body, deps: [byDay] } },
});
export const total = defineAsset("late/total", { description: "x", columns, body: { ...body, deps: [byMonth] } });
const PARTITIONS = { "late/by_day": days, "late/by_month": months, "late/total": null };
const READS: Readonly<Record<string, string>> = { "late/by_month": "late/by_day", "late/total": "late/by_month" };
type Key = keyof typeof PARTITIONS;

export const late: Sensor<LateDataCursor> = defineSensor("late/lines", {
  description: "x",
  assets: [total, byMonth, byDay],
  ...lateData({ source: raw, time: "at", arrived: "came", lag: "10m" }),
});

/** The same, but what was never built is built. */
export const building: Sensor<LateDataCursor> = defineSensor("late/building", {
  description: "x",
  assets: [total, byMonth, byDay],
  ...lateData({ source: raw, time: "at", arrived: "came", lag: "10m", unbuilt: "build" }),
});

export interface WorldRow {
  readonly id: number;
  readonly at: number | null;
  readonly came: number;
}
interface Build {
  readonly runId: string;
  readonly key: Key;
  readonly partitions: readonly string[];
  readonly startedAt: number;
  /** What it read. */
  readonly rows: ReadonlyMap<string, ReadonlySet<number>>;
}

/** Tables, their ledger and a clock, without any of them being real. */
export class World {
  now = BEGIN;
  rows: WorldRow[] = [];
  readonly ledger: (Build & { readonly publishedAt: number })[] = [];
  /** What the tables hold, by asset and partition. */
  readonly tables = new Map<string, ReadonlySet<number>>();
  cursor: TestSensorTick<unknown>["cursor"] = null;
  readonly runKeys = new Set<string>();
  #runs = 0;
  readonly #sensor: Sensor<LateDataCursor>;

  constructor(sensor = late) {
    this.#sensor = sensor;
  }

  pass(minutes: number): void {
    this.now += minutes * MINUTE;
  }

  add(at: number | null, came = this.now): number {
    const id = this.rows.length;
    this.rows.push({ id, at, came });
    return id;
  }

  /** A run reads what there is. */
  begin(key: Key, partitions: readonly string[]): Build {
    const rows = new Map(partitions.map((partition) => [partition, this.#read(key, partition)]));
    return { runId: `run ${(this.#runs += 1)}`, key, partitions, startedAt: this.now, rows };
  }

  publish(build: Build): void {
    this.ledger.push({ ...build, publishedAt: this.now });
    for (const [partition, rows] of build.rows) this.tables.set(`${build.key} ${partition}`, rows);
  }

  build(key: Key, ...partitions: string[]): void {
    const build = this.begin(key, partitions);
    this.pass(1);
    this.publish(build);
  }

  holds(key: Key, partition = ""): number[] {
    return [...(this.tables.get(`${key} ${partition}`) ?? [])].sort((a, b) => a - b);
  }

  /** A tick; of the runs that it asks for, those that Dagster would launch. */
  async tick(): Promise<TestSensorTick<unknown> & { readonly launched: readonly TestRun[] }> {
    const result = await testSensor(this.#sensor, {
      now: new Date(this.now),
      cursor: this.cursor as never,
      arrivals: (_table, query) => Promise.resolve(this.#arrivals(query)),
      lastPublishes: ({ assetKey }, keys) => Promise.resolve(this.#lastPublishes(assetKey, keys)),
    });
    this.cursor = result.cursor;
    const launched = result.runs.filter(({ runKey }) => !this.runKeys.has(runKey ?? ""));
    for (const { runKey } of launched) this.runKeys.add(runKey ?? "");
    return { ...result, launched };
  }

  /** Ticks, and runs what is asked for, until nothing is: what was run. */
  async settle(): Promise<string[]> {
    const done: string[] = [];
    for (;;) {
      this.pass(1);
      const { launched } = await this.tick();
      if (launched.length === 0) return done;
      for (const { assets, partitionKeys } of launched) {
        const keys = partitionKeys ?? [""];
        done.push(`${assets.join()} ${keys.join()}`.trim());
        this.pass(1);
        this.build(assets[0] as Key, ...keys);
      }
    }
  }

  #read(key: Key, partition: string): ReadonlySet<number> {
    const partitions = PARTITIONS[key];
    const upstream = READS[key] as Key | undefined;
    if (upstream === undefined)
      return new Set(
        this.rows.flatMap(({ id, at }) =>
          at !== null && partitions !== null && periodAt(partitions, at).key === partition ? [id] : [],
        ),
      );
    const rows = [...this.tables].flatMap(([name, ids]) => {
      const [owner, part = ""] = name.split(" ");
      const isRead =
        owner === upstream &&
        (partitions === null || periodAt(partitions, Date.parse(`${part}T00:00:00Z`)).key === partition);
      return isRead ? [...ids] : [];
    });
    return new Set(rows);
  }

  #arrivals({ seconds, from, lagMs, notAfter }: ArrivalsQuery): Arrivals | null {
    const text = (ms: number): string => instantOf(new Date(ms));
    const newest = this.rows.reduce<number | null>((max, { came }) => Math.max(max ?? came, came), null);
    const readAt = text(this.now);
    if (newest === null)
      return { ...{ readAt, newest: null, keptFrom: null, wentBack: false, isDay: false }, groups: [] };
    const wentBack = from !== null && text(newest) < from;
    const begin = wentBack ? null : from;
    const kept = text(Math.min(newest, notAfter.getTime()) - lagMs);
    const keptFrom = begin === null || kept > begin ? kept : begin;
    const groups = new Map<number | null, WorldRow[]>();
    for (const row of this.rows) {
      if (begin !== null && text(row.came) < begin) continue;
      const start = row.at === null ? null : Math.floor(row.at / 1000 / seconds) * seconds;
      groups.set(start, [...(groups.get(start) ?? []), row]);
    }
    return {
      ...{ readAt, newest: text(newest), keptFrom, wentBack, isDay: false },
      groups: [...groups].map(([start, rows]) => ({
        start,
        rowCount: rows.length,
        keptCount: rows.filter(({ came }) => text(came) >= keptFrom).length,
        latest: text(Math.max(...rows.map(({ came }) => came))),
      })),
    };
  }

  #lastPublishes(key: string, keys: readonly string[] | null): Map<string, LastPublish> {
    const found = new Map<string, LastPublish>();
    for (const one of this.ledger.filter((entry) => entry.key === key))
      for (const partition of one.partitions)
        if (keys === null || keys.includes(partition))
          found.set(partition, {
            runId: one.runId,
            startedAt: instantOf(new Date(one.startedAt)),
            publishedAt: instantOf(new Date(one.publishedAt)),
          });
    return found;
  }
}
