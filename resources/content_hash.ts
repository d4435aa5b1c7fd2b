import { createHash } from "node:crypto";
import type { BucketFacts, StagedFacts, Target } from "./store.ts";

/** Rows that were counted and whose hashes were added up, by bucket where the target has buckets. */
export interface HashedRows {
  /** Bucket (only where the target has buckets), count, sums of the hashes: as the store returns them, as text. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Whatever else the hash of a row depends on, such as the version of the engine. */
  readonly engine?: string;
  readonly typeName: (type: Target["columns"][number]["type"]) => string;
}

/**
 * Count and content hash of staged rows from the sums of their rows' hashes: sums do not know the order of rows, and
 * those of several buckets add up to those of all.
 */
export function hashedFacts(
  target: Pick<Target, "columns" | "buckets">,
  hashed: HashedRows,
): Omit<StagedFacts, "sample" | "cursor"> {
  const isBucketed = target.buckets !== undefined;
  const facts = hashed.rows.map((row) => {
    const [count, ...sums] = isBucketed ? row.slice(1) : row;
    return { rowCount: BigInt(count ?? 0), sums: sums.map((sum) => BigInt(sum ?? 0)) };
  });
  // Names and types count as content.
  const columns = target.columns.map(({ name, type }) => [name, hashed.typeName(type)]);
  const hashOf = (parts: readonly BucketFacts[]): string => {
    const { rowCount, sums } = addUp(parts);
    // No row, no engine that hashed it.
    const content = rowCount === 0n ? [columns] : [columns, String(rowCount), sums.map(String), hashed.engine];
    return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 32);
  };
  return {
    rowCount: addUp(facts).rowCount,
    contentHash: hashOf(facts),
    buckets: isBucketed
      ? new Map(hashed.rows.map(([bucket], index) => [bucket ?? "", facts[index] as BucketFacts]))
      : null,
    hashOf,
  };
}

function addUp(parts: readonly BucketFacts[]): BucketFacts {
  let rowCount = 0n;
  const sums: bigint[] = [];
  for (const part of parts) {
    rowCount += part.rowCount;
    for (const [index, sum] of part.sums.entries()) sums[index] = (sums[index] ?? 0n) + sum;
  }
  return { rowCount, sums };
}
