import type { AssetOptions, Shape } from "./asset.ts";
import type { Column } from "./column_type.ts";
import { tryGetSeconds } from "./duration.ts";
import { type KeyPartitions, keysOf, timeOf } from "./partitions.ts";
import { isCron, isDay, isTimezone } from "./schedule_text.ts";
import type { Add } from "./validate.ts";

/** Names that Dagster accepts; for others it would refuse the whole code location. */
export const DAGSTER_NAME = /^[A-Za-z0-9_]+$/;
const OWNER = /^(team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$/;
const TAG_KEY = /^([A-Za-z0-9_.-]{1,63}\/)?[A-Za-z0-9_.-]{1,63}$/;
const TAG_VALUE = /^[A-Za-z0-9_.-]{0,63}$/;

/** Owners, tags, names and times, by the rules of Dagster. */
export function checkDagsterOptions(
  options: Pick<AssetOptions<Shape>, "description" | "owners" | "tags" | "group" | "pool" | "automation" | "freshness">,
  add: Add,
): void {
  const bad = (message: string): void => {
    add("bad_option", message);
  };
  if (typeof options.description !== "string" || options.description.trim() === "")
    bad("description: say in a sentence what a row is");
  else if (options.description.includes("\0")) bad("description: holds a NUL character");
  for (const owner of options.owners ?? []) {
    if (!OWNER.test(owner)) bad(`owner ${JSON.stringify(owner)}: expected an e-mail address or team:name`);
  }
  for (const [tag, value] of Object.entries(options.tags ?? {})) {
    if (!TAG_KEY.test(tag) || !TAG_VALUE.test(value)) {
      bad(
        `tag ${JSON.stringify(tag)}: ${JSON.stringify(value)}: expected at most 63 letters, digits, "_", "-" and "."`,
      );
    }
  }
  if (options.group !== undefined && !DAGSTER_NAME.test(options.group))
    bad(`group ${JSON.stringify(options.group)}: letters, digits and underscores only`);
  if (options.pool !== undefined && !/^\S+$/.test(options.pool))
    bad(`pool ${JSON.stringify(options.pool)}: expected a name without spaces`);
  const { automation, freshness } = options;
  if (automation?.kind === "cron") {
    checkCron("automation", automation.cron, bad);
    checkTimezone("automation", automation.timezone, bad);
  }
  if (freshness?.kind === "cron") {
    checkCron("freshness", freshness.deadlineCron, bad);
    checkTimezone("freshness", freshness.timezone, bad);
  }
}

/** What Dagster takes in no key of a partition. */
const IN_NO_KEY = ["...", "\0", "\u0007", "\b", "\t", "\n", "\v", "\f", "\r"];
/** What it takes in no key of two dimensions besides: it writes both as one text. */
const IN_NO_KEY_OF_TWO = ["|", ",", "[", "]"];

/** Whether the partitions can be: their columns, their keys, their stretch of time. */
export function checkPartitions({ partitions }: AssetOptions<Shape>, columns: readonly Column[], add: Add): void {
  if (partitions === undefined) return;
  const bad = (message: string): void => {
    add("bad_option", `partitions: ${message}`);
  };
  const [time, keys] = [timeOf(partitions), keysOf(partitions)];
  if (partitions.kind === "two_dimensional") {
    // Reached from plain JavaScript: the compiler takes a time, then keys.
    if (!("start" in partitions.time) || "start" in partitions.keys) {
      bad("expected a time and keys, twoDimensional(daily(…), staticKeys(…))");
      return;
    }
    if (partitions.time.column === partitions.keys.column)
      bad(`column ${JSON.stringify(partitions.time.column)} is both dimensions: expected two columns`);
  }
  for (const dimension of [time, keys]) {
    const column = columns.find(({ name }) => name === dimension?.column);
    if (column === undefined) continue;
    const kinds = dimension === time ? ["timestamp", "date"] : ["string"];
    if (column.nullable || !kinds.includes(column.type.kind))
      bad(
        `column ${JSON.stringify(column.name)} must be ${dimension === time ? "a timestamp or date" : "a string"}, never null`,
      );
  }
  if (keys !== undefined) checkKeys(keys, time !== undefined, bad);
  if (time === undefined) return;
  const { kind, start, end, timezone } = time;
  for (const [what, text] of Object.entries({ start, end })) {
    if (text !== null && !isStart(kind, text))
      bad(`${what} ${JSON.stringify(text)} is no ${kind === "hourly" ? "hour, YYYY-MM-DD-HH:MM" : "day, YYYY-MM-DD"}`);
  }
  if (end !== null && end <= start) bad(`end ${end} is not after start ${start}`);
  checkTimezone("partitions", timezone, (message) => {
    add("bad_option", message);
  });
}

function checkKeys(keys: KeyPartitions, isOfTwo: boolean, bad: (message: string) => void): void {
  if (keys.kind === "dynamic") {
    if (keys.name === "") bad("expected the name of the list");
    return;
  }
  if (keys.keys.length === 0) bad("expected at least one key");
  if (new Set(keys.keys).size !== keys.keys.length) bad("a key stands twice");
  for (const key of keys.keys) {
    const fault = keyFault(key, isOfTwo);
    if (fault !== undefined) bad(`key ${JSON.stringify(key)}: ${fault}`);
  }
}

/**
 * Why Dagster could not have a partition of this key; `undefined`: it can.
 *
 * @param isOfTwo Whether it is one of two dimensions.
 */
function keyFault(key: string, isOfTwo: boolean): string | undefined {
  if (key === "") return "expected some text";
  if (IN_NO_KEY.some((text) => key.includes(text)))
    return 'Dagster takes no "...", tabs, line ends and other control characters in a key';
  if (isOfTwo && IN_NO_KEY_OF_TWO.some((text) => key.includes(text)))
    return "Dagster takes no |, comma, [ and ] in a key of two dimensions";
  return undefined;
}

function isStart(kind: string, text: string): boolean {
  if (kind !== "hourly") return isDay(text);
  return isDay(text.slice(0, 10)) && /^-([01]\d|2[0-3]):[0-5]\d$/.test(text.slice(10));
}

/** Retries, limits and durations. */
export function checkLimits(options: AssetOptions<Shape>, add: Add): void {
  const whole = (what: string, value: number | undefined): void => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
      add("bad_option", `${what}: expected a whole number of 0 or more, got ${String(value)}`);
  };
  const duration = (what: string, value: string | null | undefined): void => {
    if (value !== undefined && value !== null && tryGetSeconds(value) === undefined) {
      add(
        "bad_option",
        `${what}: expected a duration such as "90s", "15m", "25h" or "7d", got ${JSON.stringify(value)}`,
      );
    }
  };
  whole("quarantine.maxRows", options.quarantine?.maxRows);
  const perRun = options.maxPartitionsPerRun;
  if (perRun !== undefined && !(Number.isSafeInteger(perRun) && perRun > 0))
    add("bad_option", `maxPartitionsPerRun: expected a whole number of 1 or more, got ${String(perRun)}`);
  if (perRun !== undefined && options.partitions === undefined)
    add("bad_option", "maxPartitionsPerRun: the asset has no partitions");
  const { each } = options;
  if (each !== undefined && !(Number.isSafeInteger(each.concurrency) && each.concurrency > 0))
    add("bad_option", `each: expected a concurrency of 1 or more, got ${String(each.concurrency)}`);
  if (each !== undefined && options.partitions === undefined) add("bad_option", "each: the asset has no partitions");
  for (const mapping of options.partitionMappings ?? []) {
    if (mapping.kind !== "offset") continue;
    if (!Number.isSafeInteger(mapping.start) || !Number.isSafeInteger(mapping.end) || mapping.start > mapping.end)
      add(
        "bad_option",
        `partitionMappings: expected whole numbers, start not after end, got ${mapping.start} and ${mapping.end}`,
      );
  }
  whole("retry.maxRetries", options.retry?.maxRetries);
  const delay = options.retry?.delaySeconds;
  if (delay !== undefined && !(Number.isFinite(delay) && delay >= 0))
    add("bad_option", `retry.delaySeconds: expected seconds of 0 or more, got ${delay}`);
  duration("timeout", options.timeout);
  if (options.freshness?.kind === "time_window") {
    duration("freshness", options.freshness.fail);
    duration("freshness warn", options.freshness.warn);
    const [fail, warn] = [options.freshness.fail, options.freshness.warn ?? ""].map(tryGetSeconds);
    if (fail !== undefined && warn !== undefined && warn >= fail)
      add("bad_option", "freshness: warn must be shorter than fail");
  }
  if (options.freshness?.kind === "cron") duration("freshness lowerBound", options.freshness.lowerBound);
}

/** Whether Dagster understands a cron schedule. */
export function checkCron(what: string, cron: string, bad: (message: string) => void): void {
  if (!isCron(cron)) bad(`${what}: ${JSON.stringify(cron)} is no cron schedule of five fields, such as "0 6 * * *"`);
}

/** Whether there is such a time zone. */
export function checkTimezone(what: string, timezone: string, bad: (message: string) => void): void {
  if (!isTimezone(timezone)) bad(`${what}: ${JSON.stringify(timezone)} is no time zone, such as "Europe/Berlin"`);
}
