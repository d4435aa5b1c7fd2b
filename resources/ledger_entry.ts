import type { LedgerEntry, PublishedBy } from "./store.ts";

/** Texts, in the order that `readLedgerEntry` takes. */
type LedgerRow = readonly (string | null)[];

/**
 * A line of the ledger as a store's driver brings it: run id, partition keys, row count, columns, content hash, start,
 * cursor, report. The start is a date, or milliseconds since 1970.
 */
export function readLedgerEntry(
  { assetKey, rootRunId, codeVersion }: Omit<PublishedBy, "partitionKeys">,
  row: LedgerRow | undefined,
): LedgerEntry | undefined {
  if (row === undefined) return undefined;
  const [runId, partitionKeys, rowCount, columns, contentHash, startedAt, cursor, report] = row;
  return {
    assetKey,
    runId: runId ?? "",
    rootRunId,
    codeVersion,
    partitionKeys: typeof partitionKeys === "string" ? (JSON.parse(partitionKeys) as string[]) : null,
    rowCount: BigInt(rowCount ?? 0),
    columns: JSON.parse(columns ?? "[]") as LedgerEntry["columns"],
    contentHash: contentHash ?? "",
    startedAt: toDate(startedAt ?? "0"),
    cursor: cursor ?? null,
    report: report ?? "{}",
  };
}

function toDate(text: string): Date {
  return new Date(/^-?\d+$/.test(text) ? Number(text) : text);
}
