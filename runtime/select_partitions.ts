import { ProjectError } from "../definitions/project_error.ts";
import { type KeyPartitions, keysOf, type Partitions, timeOf, type TimePartitions } from "../definitions/partitions.ts";
import { type Period, periodsIn, placeOfPeriod } from "../definitions/time_periods.ts";
import { partitionFault } from "./partition_fault.ts";
import { type RunPartition, runPartition } from "./partitions.ts";

/** Partitions are asked for that cannot be. */
export class PartitionSelectionError extends ProjectError {
  readonly code = "unknown_partition";
  readonly retryable = false;
}

const RANGE = "...";
const DAY_MS = 86_400_000;

/**
 * The partitions that a person names where no Dagster does.
 *
 * @param selection A key, or `first...last`, both included: with two dimensions, all cells between their corners.
 * @throws PartitionSelectionError
 */
export function selectPartitions(assetKey: string, partitions: Partitions, selection: string): RunPartition[] {
  const [first = "", last = first, ...rest] = selection.split(RANGE);
  if (rest.length > 0) throw new PartitionSelectionError(`${selection} is no range: expected first${RANGE}last`);
  for (const key of [first, last]) {
    const fault = partitionFault(partitions, key);
    if (fault !== undefined)
      throw new PartitionSelectionError(`${assetKey} has no partition ${JSON.stringify(key)}: ${fault}`);
  }
  const [time, keys] = [timeOf(partitions), keysOf(partitions)];
  const ends = (dimension: number): [first: string, last: string] =>
    partitions.kind === "two_dimensional"
      ? [first.split("|")[dimension] ?? "", last.split("|")[dimension] ?? ""]
      : [first, last];
  const periods = time === undefined ? [null] : [...periodsBetween(assetKey, time, ...ends(0))];
  const values = keys === undefined ? [null] : keysBetween(assetKey, keys, ...ends(1));
  return periods.flatMap((period) =>
    values.map((value) => ({
      key: [period?.key, value].filter((part) => typeof part === "string").join("|"),
      window: period === null ? null : runPartition(period).window,
      value,
    })),
  );
}

function keysBetween(assetKey: string, partitions: KeyPartitions, first: string, last: string): readonly string[] {
  if (first === last) return [first];
  const keys = partitions.kind === "static" ? partitions.keys : [];
  const found = keys.slice(keys.indexOf(first), keys.indexOf(last) + 1);
  if (found.length === 0) throw new PartitionSelectionError(`${assetKey}: ${last} does not come after ${first}`);
  return found;
}

function* periodsBetween(
  assetKey: string,
  partitions: TimePartitions,
  first: string,
  last: string,
): Generator<Period, void> {
  // A day before: somewhere it has already begun. Weeks and months begin earlier still.
  const from = Date.parse(first.slice(0, 10)) - 32 * DAY_MS;
  const to = Date.parse(last.slice(0, 10)) + 2 * DAY_MS;
  let inside = false;
  for (const period of periodsIn(partitions, from, to)) {
    inside ||= period.key === first;
    if (!inside) continue;
    if (placeOfPeriod(partitions, period, Date.now()) !== "exists") {
      throw new PartitionSelectionError(`${assetKey} has no partition ${period.key}, or not yet`);
    }
    yield period;
    if (period.key === last) return;
  }
  throw new PartitionSelectionError(
    `${assetKey} has no ${partitions.kind} partitions from ${first} to ${last}: one of them does not begin then`,
  );
}
