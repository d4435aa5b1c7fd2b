import type { Partitions } from "../definitions/partitions.ts";
import { isDay } from "../definitions/schedule_text.ts";

/**
 * Why a text cannot be a partition, as far as the definition alone says; `undefined`: it may be one. Which partitions
 * there are at this time, Dagster knows.
 */
export function partitionFault(partitions: Partitions, key: string): string | undefined {
  if (partitions.kind === "two_dimensional") {
    const [time, value, ...rest] = key.split("|");
    if (time === undefined || value === undefined || rest.length > 0) return "expected a time and a key, TIME|KEY";
    return partitionFault(partitions.time, time) ?? partitionFault(partitions.keys, value);
  }
  switch (partitions.kind) {
    case "hourly":
      return isDay(key.slice(0, 10)) && /^-([01]\d|2[0-3]):[0-5]\d([+-]\d{4})?$/.test(key.slice(10))
        ? undefined
        : "expected an hour, YYYY-MM-DD-HH:MM, with its offset where summer time ends";
    case "daily":
    case "weekly":
    case "monthly":
      return isDay(key) ? undefined : "expected a day, YYYY-MM-DD";
    case "static":
      return partitions.keys.includes(key) ? undefined : `expected one of ${partitions.keys.join(", ")}`;
    default:
      return undefined;
  }
}
