import { ContractError } from "./errors.ts";
import type { PartitionCondition, PartitionSet } from "./store.ts";

/** The condition that holds for the rows of the partitions, from how a store writes that on one column. */
export function insideAll(partitions: PartitionSet, write: (one: PartitionCondition) => string): string {
  if (partitions.kind !== "both") return write(partitions);
  return partitions.conditions.map((one) => `(${write(one)})`).join(" AND ");
}

/**
 * What a run of partitions is refused for when it staged rows of others.
 *
 * @param rows How many, as the store counted them.
 */
export function outsideError(assetKey: string, partitions: PartitionSet, rows: string): ContractError {
  const conditions = partitions.kind === "both" ? partitions.conditions : [partitions];
  const columns = conditions.map(({ column }) => column).join(" and ");
  const what = conditions.map(({ kind }) => kind).join(" and ");
  return new ContractError(
    `${assetKey}: ${rows} rows lie outside of the partitions of this run, by their column ${columns}; ` +
      `nothing was published. The body must yield the rows of its ${what} only`,
  );
}
