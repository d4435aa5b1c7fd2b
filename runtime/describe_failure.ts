import { isAboutTable } from "../definitions/check.ts";
import type { CheckOutcome } from "../resources/store.ts";

/** Says in a line why a check failed. @param partitions How many the run has. */
export function describeFailure(
  { check, failedRows, checkedRows, measured, error }: CheckOutcome,
  partitions = 1,
): string {
  if (error !== null) return `${check.name} failed, as it could not be run (${error}; ${check.description})`;
  let counted = `${failedRows} of ${checkedRows} rows`;
  if (measured !== null) counted = measured;
  // Held against each partition by itself: see judgePartitions.
  if (isAboutTable(check) && partitions > 1) counted = `${failedRows} of ${partitions} partitions`;
  return `${check.name} failed (${counted}; ${check.description})`;
}
