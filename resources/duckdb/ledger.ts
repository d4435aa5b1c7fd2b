import type { LastPublish } from "../../definitions/tick.ts";
import { CREATE_FAILED_ROWS, replaceFailedRows } from "../failed_rows.ts";
import { lastPublishes } from "../last_publishes.ts";
import { publishedAt, readLedgerEntries, readLedgerEntry, recentLines, type RecentOptions } from "../ledger_entry.ts";
import { deleteQuarantined, readQuarantine, replacedRuns } from "../quarantine.ts";
import type { Attempt, FailedRow, KeptRow, LedgerEntry, PublishedBy, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";
import { OWN_SCHEMA, ownTable, quote } from "../quote.ts";

const LEDGER = ownTable("ledger");
const QUARANTINE = ownTable("quarantine");

/** Makes the runtime's own tables where they are missing; quick enough to do in every publish. */
export async function createOwnTables(client: Client): Promise<void> {
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(OWN_SCHEMA)}`);
  await client.run(`CREATE TABLE IF NOT EXISTS ${LEDGER} (
    asset_key VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    root_run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    partition_keys JSON,
    row_count BIGINT NOT NULL,
    columns JSON NOT NULL,
    content_hash VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    cursor VARCHAR,
    report JSON NOT NULL
  )`);
  // A ledger older than cursors keeps its lines.
  if (!(await hasLedger(client))) await client.run(`ALTER TABLE ${LEDGER} ADD COLUMN cursor VARCHAR`);
  await client.run(`CREATE TABLE IF NOT EXISTS ${QUARANTINE} (
    asset_key VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    quarantined_at TIMESTAMPTZ NOT NULL,
    row_number BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    exact VARCHAR,
    origin VARCHAR
  )`);
  // So does a quarantine older than replays.
  for (const column of ["exact", "origin"])
    await client.run(`ALTER TABLE ${QUARANTINE} ADD COLUMN IF NOT EXISTS ${column} VARCHAR`);
}

/** Writes a line of the ledger, inside the transaction of its publish. */
export async function insertLedgerEntry(client: Client, entry: LedgerEntry): Promise<void> {
  await client.run({
    text: `INSERT INTO ${LEDGER} (asset_key, run_id, root_run_id, code_version, partition_keys, row_count, columns,
        content_hash, started_at, published_at, cursor, report)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (${publishedAt(LEDGER, "now()")}), $10, $11)`,
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
  if (!(await hasLedger(client))) return undefined;
  const { rows } = await client.text({
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash, epoch_ms(started_at), cursor, report
      FROM ${LEDGER} WHERE asset_key = $1 AND root_run_id = $2 AND code_version = $3
        AND COALESCE(CAST(partition_keys AS text), 'null') = $4
      ORDER BY published_at DESC LIMIT 1`,
    parameters: [assetKey, rootRunId, codeVersion, JSON.stringify(keys)],
  });
  return readLedgerEntry({ assetKey, rootRunId, codeVersion }, rows[0]);
}

/** The latest lines of an asset, the last one first. */
export async function recentEntries(client: Client, assetKey: string, options: RecentOptions): Promise<LedgerEntry[]> {
  if (!(await hasLedger(client))) return [];
  const { rows } = await client.text(recentLines(LEDGER, "epoch_ms(started_at)", assetKey, options));
  return readLedgerEntries(assetKey, rows);
}

/** The latest runs that published an asset, the last one first. */
export async function recentRuns(client: Client, assetKey: string, limit: number): Promise<string[]> {
  if (!(await hasLedger(client))) return [];
  const { rows } = await client.text({
    text: `SELECT run_id FROM ${LEDGER} WHERE asset_key = $1 GROUP BY run_id ORDER BY max(published_at) DESC LIMIT ${BigInt(limit)}`,
    parameters: [assetKey],
  });
  return rows.map(([runId]) => runId ?? "");
}

/** The cursor of an asset's latest publish. */
export async function lastCursor(client: Client, assetKey: string): Promise<string | null> {
  if (!(await hasLedger(client))) return null;
  const { rows } = await client.text({
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
  if (!(await hasLedger(client))) return new Map();
  const key = keys === null ? "''" : "unnest(from_json(coalesce(partition_keys, '[\"\"]'), '[\"VARCHAR\"]'))";
  const lines = {
    text: `SELECT ${key} AS partition_key, run_id, started_at, published_at FROM ${LEDGER} WHERE asset_key = $1`,
    parameters: [assetKey],
    parameter,
  };
  return await lastPublishes(client, lines, keys);
}

/** Whether there is a ledger with cursors. */
async function hasLedger(client: Client): Promise<boolean> {
  const { rows } = await client.text({
    text: `SELECT 1 FROM duckdb_columns() WHERE schema_name = $1 AND table_name = 'ledger' AND column_name = 'cursor'
      AND database_name = current_database()`,
    parameters: [OWN_SCHEMA],
  });
  return rows.length > 0;
}

/** Replaces an asset's quarantined rows, or those of some runs, by those of this run, read from an attached staging file. */
export async function replaceQuarantine(
  client: Client,
  target: Pick<Target, "assetKey" | "strategy">,
  attempt: Attempt,
  source: string,
): Promise<void> {
  const { assetKey } = target;
  await client.run(deleteQuarantined(QUARANTINE, assetKey, replacedRuns(target, attempt)));
  await client.run({
    text: `INSERT INTO ${QUARANTINE} (asset_key, run_id, quarantined_at, row_number, reason, value, exact, origin)
      SELECT $1, $2, now(), row_number, reason, value, exact, origin FROM ${source}`,
    parameters: [assetKey, attempt.runId],
  });
}

/** An asset's quarantined rows. */
export async function quarantinedRows(client: Client, assetKey: string): Promise<KeptRow[]> {
  await client.transaction(() => createOwnTables(client));
  return await readQuarantine((statement) => client.text(statement), QUARANTINE, LEDGER, assetKey);
}

/** Replaces the rows that failed an asset's checks, in a transaction of its own. */
export async function keepFailedRows(
  client: Client,
  assetKey: string,
  attempt: Attempt,
  rows: readonly FailedRow[],
): Promise<void> {
  await client.transaction(async () => {
    await createOwnTables(client);
    await client.run(CREATE_FAILED_ROWS);
    for (const statement of replaceFailedRows(assetKey, attempt, rows)) await client.run(statement);
  });
}
