import type { LastPublish } from "../../definitions/tick.ts";
import { nullWithoutTable } from "../errors.ts";
import { lastPublishes } from "../last_publishes.ts";
import { publishedAt, readLedgerEntries, readLedgerEntry, recentLines, type RecentOptions } from "../ledger_entry.ts";
import { deleteQuarantined, readQuarantine, replacedRuns } from "../quarantine.ts";
import type { Attempt, KeptRow, LedgerEntry, PublishedBy, QuarantinedRow, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";
import { rowsIfThere } from "./has_table.ts";
import { TURNS } from "./names.ts";
import { createOwnTables, LEDGER, QUARANTINE } from "./own_tables.ts";

/** Quarantined rows in one statement. */
const ROWS_PER_INSERT = 200;

/** Gives an asset a row to take turns by; outside of a transaction. */
export async function createTurn(client: Client, assetKey: string): Promise<void> {
  const { rows } = await client.text({ text: `SELECT 1 FROM ${TURNS} WHERE asset_key = $1`, parameters: [assetKey] });
  if (rows.length > 0) return;
  await client.run({ text: `INSERT INTO ${TURNS} VALUES ($1, '')`, parameters: [assetKey] });
}

/**
 * Makes publishes of one asset exclude each other: Hyper lets two transactions add rows side by side, and refuses only
 * the second one to write the same row.
 *
 * @throws ConflictError when it is another's turn
 */
export async function takeTurn(client: Client, assetKey: string, runId: string): Promise<void> {
  // No UPDATE: hyperd 0.0.26963 dies of ten sessions that update rows of one table and then write another.
  await client.run({ text: `DELETE FROM ${TURNS} WHERE asset_key = $1`, parameters: [assetKey] });
  await client.run({ text: `INSERT INTO ${TURNS} VALUES ($1, $2)`, parameters: [assetKey, runId] });
}

/** Writes a line of the ledger, inside the transaction of its publish, which has the asset's turn. */
export async function insertLedgerEntry(client: Client, entry: LedgerEntry): Promise<void> {
  // No subquery stands in VALUES here.
  const at = await client.text({ text: publishedAt(LEDGER, "now()"), parameters: [entry.assetKey] });
  await client.run({
    text: `INSERT INTO ${LEDGER} VALUES ($1, $2, $3, $4, CAST($5 AS json), CAST($6 AS bigint), CAST($7 AS json), $8,
      CAST($9 AS timestamptz), CAST($10 AS timestamptz), $11, CAST($12 AS json))`,
    parameters: [
      entry.assetKey,
      entry.runId,
      entry.rootRunId,
      entry.codeVersion,
      entry.partitionKeys === null ? null : JSON.stringify(entry.partitionKeys),
      entry.rowCount,
      JSON.stringify(entry.columns),
      entry.contentHash,
      entry.startedAt,
      at.rows[0]?.[0] ?? null,
      entry.cursor,
      entry.report,
    ],
  });
}

/** The latest publish of an asset by the runs of one root, by the same code and for the same partitions. */
export async function findLedgerEntry(
  client: Client,
  { assetKey, rootRunId, codeVersion, partitionKeys: keys = null }: PublishedBy,
): Promise<LedgerEntry | undefined> {
  const rows = await rowsIfThere(client, {
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash, started_at, cursor, report
      FROM ${LEDGER} WHERE asset_key = $1 AND root_run_id = $2 AND code_version = $3
        AND COALESCE(CAST(partition_keys AS text), 'null') = $4
      ORDER BY published_at DESC LIMIT 1`,
    parameters: [assetKey, rootRunId, codeVersion, JSON.stringify(keys)],
  });
  return readLedgerEntry({ assetKey, rootRunId, codeVersion }, rows[0]);
}

/** The latest lines of an asset, the last one first. */
export async function recentEntries(client: Client, assetKey: string, options: RecentOptions): Promise<LedgerEntry[]> {
  const rows = await rowsIfThere(client, recentLines(LEDGER, "started_at", assetKey, options));
  return readLedgerEntries(assetKey, rows);
}

/** The cursor of an asset's latest publish. */
export async function lastCursor(client: Client, assetKey: string): Promise<string | null> {
  const rows = await rowsIfThere(client, {
    text: `SELECT cursor FROM ${LEDGER} WHERE asset_key = $1 ORDER BY published_at DESC LIMIT 1`,
    parameters: [assetKey],
  });
  return rows[0]?.[0] ?? null;
}

/** The latest publish of each partition of an asset; of `""`, where `keys` is `null`. */
export async function publishesOf(
  client: Client,
  assetKey: string,
  keys: readonly string[] | null,
): Promise<ReadonlyMap<string, LastPublish>> {
  // Hyper has no function that takes JSON lists apart; keys of time have neither commas nor quotes in them.
  const each = `trim(both '[]" ' from unnest(string_to_array(coalesce(CAST(partition_keys AS text), '""'), ',')))`;
  const lines = {
    text: `SELECT ${keys === null ? "''" : each} AS partition_key, run_id, started_at, published_at FROM ${LEDGER} WHERE asset_key = $1`,
    parameters: [assetKey],
    parameter,
  };
  return (await nullWithoutTable(lastPublishes(client, lines, keys))) ?? new Map<string, LastPublish>();
}

/** Replaces an asset's quarantined rows, or those of some runs, by those of this run; inside a transaction. */
export async function replaceQuarantine(
  client: Client,
  target: Pick<Target, "assetKey" | "strategy">,
  attempt: Attempt,
  quarantined: readonly QuarantinedRow[],
): Promise<void> {
  const { assetKey } = target;
  await client.run(deleteQuarantined(QUARANTINE, assetKey, replacedRuns(target, attempt)));
  for (let start = 0; start < quarantined.length; start += ROWS_PER_INSERT) {
    const page = quarantined.slice(start, start + ROWS_PER_INSERT);
    const values = page.map((_, index) => {
      const first = index * 5 + 3;
      // A parameter that is NULL has no type here.
      const maybe = [3, 4].map((one) => `nullif($${first + one}, '')`);
      return `($1, $2, now(), CAST($${first} AS bigint), $${first + 1}, $${first + 2}, ${maybe.join(", ")})`;
    });
    await client.run({
      text: `INSERT INTO ${QUARANTINE} (asset_key, run_id, quarantined_at, row_number, reason, value, exact, origin)
        VALUES ${values.join(", ")}`,
      parameters: [
        ...[assetKey, attempt.runId],
        ...page.flatMap((row) => [row.rowNumber, row.reason, row.value, row.exact ?? "", row.origin ?? ""]),
      ],
    });
  }
}

/** An asset's quarantined rows; outside of a transaction. */
export async function quarantinedRows(client: Client, assetKey: string): Promise<KeptRow[]> {
  await createOwnTables(client);
  return await readQuarantine((statement) => client.text(statement), QUARANTINE, LEDGER, assetKey);
}
