import type { Statement } from "./render_sql.ts";
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

/**
 * A query of the time for a line that is being written, in the stores with transactions, where `$1` is the asset: later
 * than that of every other line of the asset, also where the clock was set back, or is that of another host.
 */
export function publishedAt(ledger: string, now: string): string {
  return `SELECT GREATEST(${now}, COALESCE(max(published_at) + INTERVAL '1 microsecond', ${now}))
    FROM ${ledger} WHERE asset_key = $1`;
}

/** Which lines of the ledger are asked for: at most so many, of runs of partitions, or of others; `null`: of all. */
export interface RecentOptions {
  readonly limit: number;
  readonly ofPartitions: boolean | null;
}

/** The condition that holds for the lines that are asked for. */
export function isRecent({ ofPartitions }: RecentOptions): string {
  if (ofPartitions === null) return "true";
  return `partition_keys IS ${ofPartitions ? "NOT NULL" : "NULL"}`;
}

/** The latest publish of a table to which runs add; it has no partitions. */
export const LATEST: RecentOptions = { limit: 1, ofPartitions: false };

/**
 * The latest lines of an asset, the last one first, as {@link readLedgerEntries} takes them.
 *
 * @param startedAt The column, as a date or as milliseconds since 1970.
 */
export function recentLines(ledger: string, startedAt: string, assetKey: string, options: RecentOptions): Statement {
  return {
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash, ${startedAt}, cursor, report, root_run_id, code_version
      FROM ${ledger} WHERE asset_key = $1 AND ${isRecent(options)}
      ORDER BY published_at DESC LIMIT ${BigInt(options.limit)}`,
    parameters: [assetKey],
  };
}

/** Lines as {@link readLedgerEntry} takes them, each followed by its root run and its code version. */
export function readLedgerEntries(assetKey: string, rows: readonly LedgerRow[]): LedgerEntry[] {
  return rows.flatMap((row) => {
    const [rootRunId, codeVersion] = row.slice(8);
    return readLedgerEntry({ assetKey, rootRunId: rootRunId ?? "", codeVersion: codeVersion ?? "" }, row) ?? [];
  });
}

function toDate(text: string): Date {
  return new Date(/^-?\d+$/.test(text) ? Number(text) : text);
}
