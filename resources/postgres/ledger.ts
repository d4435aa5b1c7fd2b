import { CREATE_FAILED_ROWS } from "../failed_rows.ts";
import { literal, OWN_SCHEMA, ownTable, quote } from "../quote.ts";
import type { LastPublish } from "../../definitions/tick.ts";
import { lastPublishes } from "../last_publishes.ts";
import { publishedAt, readLedgerEntries, readLedgerEntry, recentLines, type RecentOptions } from "../ledger_entry.ts";
import { deleteQuarantined, readQuarantine, replacedRuns } from "../quarantine.ts";
import type { Attempt, KeptRow, LedgerEntry, PublishedBy, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";
import { lockWithoutStatementLimit } from "./lock_wait.ts";

const LEDGER = ownTable("ledger");
const QUARANTINE = ownTable("quarantine");

/** Makes the runtime's own tables where they are missing, inside a transaction. */
export async function createOwnTables(client: Client): Promise<void> {
  const complete = `SELECT pg_catalog.to_regclass(${literal(LEDGER)}) IS NOT NULL
    AND EXISTS (SELECT 1 FROM pg_catalog.pg_attribute
      WHERE attrelid = pg_catalog.to_regclass(${literal(QUARANTINE)}) AND attname = 'origin')`;
  if ((await client.text(complete)).rows[0]?.[0] === "true") return;
  await lock(client, OWN_SCHEMA);
  await createSchema(client, OWN_SCHEMA);
  await client.script([
    `CREATE TABLE IF NOT EXISTS ${LEDGER} (
      asset_key text NOT NULL,
      run_id text NOT NULL,
      root_run_id text NOT NULL,
      code_version text NOT NULL,
      partition_keys json,
      row_count bigint NOT NULL,
      columns json NOT NULL,
      content_hash text NOT NULL,
      started_at timestamptz NOT NULL,
      published_at timestamptz NOT NULL,
      cursor text,
      report json NOT NULL
    )`,
    `CREATE INDEX IF NOT EXISTS ledger_by_asset ON ${LEDGER} (asset_key, published_at)`,
    `CREATE TABLE IF NOT EXISTS ${QUARANTINE} (
      asset_key text NOT NULL,
      run_id text NOT NULL,
      quarantined_at timestamptz NOT NULL,
      row_number bigint NOT NULL,
      reason text NOT NULL,
      value text NOT NULL,
      exact text,
      origin text
    )`,
    // One that is older than replays keeps its rows.
    `ALTER TABLE ${QUARANTINE} ADD COLUMN IF NOT EXISTS exact text, ADD COLUMN IF NOT EXISTS origin text`,
  ]);
}

/** Makes the table of the rows that failed checks, where it is missing. */
export async function createFailedRows(client: Client): Promise<void> {
  // Where two make it at once, the server refuses the second in spite of IF NOT EXISTS.
  await lock(client, OWN_SCHEMA);
  await client.run(CREATE_FAILED_ROWS);
}

/** Makes a schema where it is missing. `IF NOT EXISTS` alone asks for the right to make schemas even where it exists. */
export async function createSchema(client: Client, schema: string): Promise<void> {
  const find = { text: "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", parameters: [schema] };
  if ((await client.text(find)).rows.length > 0) return;
  // Where two make one at once, the server refuses the second in spite of IF NOT EXISTS.
  await lock(client, `${OWN_SCHEMA}.${schema}`);
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`);
}

/** Keeps other publishes of the asset away until the transaction ends, and waits for one that a dead process began. */
export async function lockAsset(client: Client, assetKey: string): Promise<void> {
  await lock(client, `${OWN_SCHEMA}:${assetKey}`);
}

async function lock(client: Client, name: string): Promise<void> {
  await lockWithoutStatementLimit(client, {
    text: "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))",
    parameters: [name],
  });
}

/** Writes a line of the ledger, inside the transaction of its publish, which has the asset's lock. */
export async function insertLedgerEntry(client: Client, entry: LedgerEntry): Promise<void> {
  await client.run({
    text: `INSERT INTO ${LEDGER} (asset_key, run_id, root_run_id, code_version, partition_keys, row_count, columns,
        content_hash, started_at, published_at, cursor, report)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (${publishedAt(LEDGER, "pg_catalog.clock_timestamp()")}), $10, $11)`,
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
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash,
        (EXTRACT(epoch FROM started_at) * 1000)::bigint, cursor, report
      FROM ${LEDGER} WHERE asset_key = $1 AND root_run_id = $2 AND code_version = $3
        AND COALESCE(CAST(partition_keys AS text), 'null') = $4
      ORDER BY published_at DESC LIMIT 1`,
    parameters: [assetKey, rootRunId, codeVersion, JSON.stringify(keys)],
  });
  return readLedgerEntry({ assetKey, rootRunId, codeVersion }, rows[0]);
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

/** The latest lines of an asset, the last one first. */
export async function recentEntries(client: Client, assetKey: string, options: RecentOptions): Promise<LedgerEntry[]> {
  if (!(await hasLedger(client))) return [];
  const { rows } = await client.text(
    recentLines(LEDGER, "(EXTRACT(epoch FROM started_at) * 1000)::bigint", assetKey, options),
  );
  return readLedgerEntries(assetKey, rows);
}

/** The latest publish of each partition of an asset; of `""`, where `keys` is `null`. */
export async function publishesOf(
  client: Client,
  assetKey: string,
  keys: readonly string[] | null,
): Promise<ReadonlyMap<string, LastPublish>> {
  if (!(await hasLedger(client))) return new Map();
  const key = keys === null ? "''" : "pg_catalog.json_array_elements_text(coalesce(partition_keys, '[\"\"]'))";
  const lines = {
    text: `SELECT ${key} AS partition_key, run_id, started_at, published_at FROM ${LEDGER} WHERE asset_key = $1`,
    parameters: [assetKey],
    parameter,
  };
  return await lastPublishes(client, lines, keys);
}

async function hasLedger(client: Client): Promise<boolean> {
  const { rows } = await client.text(`SELECT pg_catalog.to_regclass(${literal(LEDGER)}) IS NOT NULL`);
  return rows[0]?.[0] === "true";
}

/** Replaces an asset's quarantined rows, or those of some runs, by those of this run. */
export async function replaceQuarantine(
  client: Client,
  target: Pick<Target, "assetKey" | "strategy">,
  attempt: Attempt,
  source: string | null,
): Promise<void> {
  const { assetKey } = target;
  await client.run(deleteQuarantined(QUARANTINE, assetKey, replacedRuns(target, attempt)));
  if (source === null) return;
  await client.run({
    text: `INSERT INTO ${QUARANTINE} (asset_key, run_id, quarantined_at, row_number, reason, value, exact, origin)
      SELECT $1, $2, pg_catalog.now(), row_number, reason, value, exact, origin FROM ${source}`,
    parameters: [assetKey, attempt.runId],
  });
}

/** An asset's quarantined rows, inside a transaction. */
export async function quarantinedRows(client: Client, assetKey: string): Promise<KeptRow[]> {
  await createOwnTables(client);
  return await readQuarantine((statement) => client.text(statement), QUARANTINE, LEDGER, assetKey);
}
