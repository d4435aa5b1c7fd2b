import { ProjectError } from "../definitions/project_error.ts";
import type { Partitions, TimePartitions } from "../definitions/partitions.ts";
import { type Period, periodsIn, placeOfPeriod } from "../definitions/time_periods.ts";
import { partitionFault } from "./partition_fault.ts";
import type { RunPartition } from "./partitions.ts";

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
 * @param selection A key, or, of partitions of time, `first...last`, both included.
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
  if ("start" in partitions) {
    return [...periodsBetween(assetKey, partitions, first, last)].map(({ key, start, end }) => ({
      key,
      window: { start: new Date(start), end: new Date(end) },
    }));
  }
  if (last !== first) throw new PartitionSelectionError(`${assetKey}: ${selection} is a range, and keys have no order`);
  return [{ key: first, window: null }];
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
