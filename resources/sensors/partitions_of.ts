import type { PartitionRange, RunRequest } from "../../definitions/tick.ts";

/** Partitions that something belongs to; `null`: to none, so there is nothing to load. */
export type PartitionsOf = string | readonly string[] | PartitionRange | null;

/** The part of a run request that says these partitions; `null`: there is nothing to load. */
export function partitionsOf(found: PartitionsOf): Pick<RunRequest, "partitionKeys" | "partitionRange"> | null {
  if (found === null) return null;
  if (typeof found === "string") return { partitionKeys: [found] };
  if ("start" in found) return { partitionRange: found };
  return found.length === 0 ? null : { partitionKeys: found };
}
