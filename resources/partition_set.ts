import { ContractError } from "./errors.ts";

/** The partitions that a run covers, as a condition on the rows; with two dimensions, two conditions that both hold. */
export type PartitionSet =
  | PartitionCondition
  | { readonly kind: "both"; readonly conditions: readonly [PartitionCondition, PartitionCondition] };

/** A condition on one column. */
export type PartitionCondition =
  | { readonly kind: "window"; readonly column: string; readonly start: Date; readonly end: Date }
  | { readonly kind: "keys"; readonly column: string; readonly keys: readonly string[] };

/**
 * How staged rows are counted apart from each other, so that each partition has numbers of its own. With two dimensions the
 * bucket of a row is both of its buckets, `4|berlin`.
 */
export type Buckets = Bucketing | { readonly kind: "both"; readonly bucketings: readonly [Bucketing, Bucketing] };

/**
 * By one column.
 *
 * - `time`: a row is in bucket n when its time lies in [origin + n · seconds, origin + (n + 1) · seconds); a day counts as
 *   its midnight in UTC.
 * - `value`: a row is in the bucket of its value, as text.
 */
export type Bucketing =
  | { readonly kind: "time"; readonly column: string; readonly origin: Date; readonly seconds: number }
  | { readonly kind: "value"; readonly column: string };

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
