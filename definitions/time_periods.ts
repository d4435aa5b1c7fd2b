import type { TimePartitions } from "./partitions.ts";

/** One partition of time: `start` included, `end` not, in milliseconds since 1970. */
export interface Period {
  /** As Dagster calls it. */
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The partition that an instant lies in, whether it exists or not. */
export function periodAt({ kind, timezone }: TimePartitions, instant: number): Period {
  const zone = zoneOf(timezone);
  if (kind === "hourly") {
    const offset = zone.offset(instant);
    const start = Math.floor((instant + offset) / HOUR_MS) * HOUR_MS - offset;
    const text = localText(start + offset).replace("T", "-");
    // The second of two hours of one name, when clocks are put back, has its offset beside it.
    const isSecond = zone.offset(start - HOUR_MS) - offset >= HOUR_MS;
    return { key: isSecond ? text + offsetText(offset) : text, start, end: start + HOUR_MS };
  }
  const local = new Date(instant + zone.offset(instant));
  const [year, month, day] = [local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate()];
  const first = kind === "monthly" ? 1 : kind === "weekly" ? day - local.getUTCDay() : day;
  const next = kind === "monthly" ? Date.UTC(year, month + 1, 1) : Date.UTC(year, month, first + DAYS[kind]);
  const begin = Date.UTC(year, month, first);
  return { key: localText(begin).slice(0, 10), start: zone.instantOf(begin), end: zone.instantOf(next) };
}

const DAYS = { daily: 1, weekly: 7 } as const;

/** The partition of a key, whether it exists or not; `undefined`: none is called so. */
export function tryGetPeriod(partitions: TimePartitions, key: string): Period | undefined {
  const local = parseLocal(key.slice(0, 16));
  if (Number.isNaN(local)) return undefined;
  const first = periodAt(partitions, zoneOf(partitions.timezone).instantOf(local));
  // The second of two hours of one name has its offset beside it.
  const periods = partitions.kind === "hourly" ? [first, periodAt(partitions, first.end)] : [first];
  return periods.find((period) => period.key === key);
}

/** The partitions that a stretch of time overlaps, whether they exist or not. */
export function* periodsIn(partitions: TimePartitions, start: number, end: number): Generator<Period> {
  for (let period = periodAt(partitions, start); period.start < end; period = periodAt(partitions, period.end))
    yield period;
}

/** The partition so many partitions later, or earlier. */
export function shifted(partitions: TimePartitions, period: Period, count: number): Period {
  let found = period;
  for (let left = count; left > 0; left -= 1) found = periodAt(partitions, found.end);
  for (let left = count; left < 0; left += 1) found = periodAt(partitions, found.start - 1);
  return found;
}

/** Where a time lies to the partitions that there are: among them, not over yet, or never one of them. */
export function placeOfPeriod(partitions: TimePartitions, { start, end }: Period, now: number): PeriodPlace {
  const zone = zoneOf(partitions.timezone);
  if (start < firstStart(partitions)) return "outside";
  if (partitions.end !== null && end > zone.instantOf(parseLocal(partitions.end))) return "outside";
  return end <= now ? "exists" : "to come";
}

/** The instant at which the first partition begins, in milliseconds since 1970. */
export function firstStart({ start, timezone }: TimePartitions): number {
  return zoneOf(timezone).instantOf(parseLocal(start));
}

/** The time of all partitions that are over: from the start of the first to the end of the last; empty before there is one. */
export function spanOf(partitions: TimePartitions, now: Date): { readonly start: Date; readonly end: Date } {
  const { timezone, end } = partitions;
  const limit = end === null ? now.getTime() : Math.min(now.getTime(), zoneOf(timezone).instantOf(parseLocal(end)));
  const begin = firstStart(partitions);
  const period = periodAt(partitions, begin);
  const start = period.start < begin ? period.end : begin;
  return { start: new Date(start), end: new Date(Math.max(start, periodAt(partitions, limit).start)) };
}

/** @see placeOfPeriod */
export type PeriodPlace = "exists" | "to come" | "outside";

/** The midnight in UTC of the day that it is on the clock of the partitions, in milliseconds since 1970. */
export function dayAt({ timezone }: Pick<TimePartitions, "timezone">, instant: number): number {
  return Math.floor((instant + zoneOf(timezone).offset(instant)) / DAY_MS) * DAY_MS;
}

/** The instant at which a day begins on the clock of the partitions. */
export function dayStart({ timezone }: TimePartitions, day: number): number {
  return zoneOf(timezone).instantOf(day);
}

/** The instant at which a clock first says so; a time that it skips is the one at which it skips. Milliseconds, as if in UTC. */
export function instantOf(timezone: string, local: number): number {
  return zoneOf(timezone).instantOf(local);
}

/**
 * The longest stretch, in seconds, of which every partition is a whole number, counted from 1970 in UTC.
 *
 * @param until The end of the time that counts, in milliseconds since 1970.
 */
export function commonSeconds(partitions: readonly TimePartitions[], until: number): number {
  let width = partitions.every(({ kind }) => kind !== "hourly") ? DAY_MS : HOUR_MS;
  for (const { timezone, start } of partitions) {
    const zone = zoneOf(timezone);
    // Offsets last for weeks at least.
    for (let at = parseLocal(start) - DAY_MS; at <= until; at += 7 * DAY_MS) {
      width = commonDivisor(width, Math.abs(zone.offset(at)));
    }
  }
  return width / 1000;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** A start or end of partitions, `YYYY-MM-DD` or `YYYY-MM-DD-HH:MM`, as if its clock were in UTC. */
function parseLocal(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11) || "00:00"}:00Z`);
}

function localText(local: number): string {
  return new Date(local).toISOString().slice(0, 16);
}

function offsetText(offset: number): string {
  const minutes = Math.abs(offset) / MINUTE_MS;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${two(minutes / 60)}${two(minutes % 60)}`;
}

/** The clock of a zone. */
class Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #known = new Map<number, number>();

  constructor(timezone: string) {
    const number = "numeric";
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      ...{ hourCycle: "h23", era: "short", year: number, month: number, day: number },
      ...{ hour: number, minute: number, second: number },
    });
  }

  /** What the clock is ahead of UTC by, in milliseconds. */
  offset(instant: number): number {
    // Clocks change at quarters of an hour.
    const quarter = Math.floor(instant / (15 * MINUTE_MS)) * 15 * MINUTE_MS;
    const known = this.#known.get(quarter);
    if (known !== undefined) return known;
    const parts = Object.fromEntries(this.#format.formatToParts(quarter).map(({ type, value }) => [type, value]));
    const part = (name: string): number => Number(parts[name]);
    const local = new Date(0);
    local.setUTCFullYear(parts["era"] === "BC" ? 1 - part("year") : part("year"), part("month") - 1, part("day"));
    local.setUTCHours(part("hour"), part("minute"), part("second"));
    const offset = local.getTime() - quarter;
    this.#known.set(quarter, offset);
    return offset;
  }

  /** The first instant at which the clock says so, or, where it skips that, the one at which it skips. */
  instantOf(local: number): number {
    const [before, after] = [this.offset(local - DAY_MS), this.offset(local + DAY_MS)];
    const candidates = [local - before, local - after].sort((a, b) => a - b);
    return candidates.find((instant) => instant + this.offset(instant) === local) ?? local - before;
  }
}

const UTC = { offset: () => 0, instantOf: (local: number) => local };
const zones = new Map<string, Zone>();

function zoneOf(timezone: string): Pick<Zone, "offset" | "instantOf"> {
  if (timezone === "UTC") return UTC;
  const zone = zones.get(timezone) ?? new Zone(timezone);
  zones.set(timezone, zone);
  return zone;
}
