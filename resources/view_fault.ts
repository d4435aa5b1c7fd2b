import type { ViewShape } from "./store.ts";

/** The view fault of a store whose materialised views are tables that runs of partitions fill. */
export function tableViewFault({ refresh, isPartitioned }: ViewShape): string | undefined {
  return refresh === "incremental" && !isPartitioned
    ? "an incremental refresh computes the partitions of the run: expected partitions, or leave out refresh"
    : undefined;
}
