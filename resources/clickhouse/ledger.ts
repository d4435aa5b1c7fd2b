import { randomUUID } from "node:crypto";
import type { LastPublish } from "../../definitions/tick.ts";
import { nullWithoutTable } from "../errors.ts";
import { lastPublishes } from "../last_publishes.ts";
import { isRecent, readLedgerEntries, readLedgerEntry, type RecentOptions } from "../ledger_entry.ts";
import type { Attempt, FailedRow, LedgerEntry, PublishedBy, Target } from "../store.ts";
import { type Client, FEW_ROWS } from "./client.ts";
import { parameter } from "./dialect.ts";
import { literal, OWN_DATABASE, ownTable, quote } from "./quote.ts";
import { instantText } from "./types.ts";
import { onCluster } from "./tables.ts";

/** What was published. */
const LEDGER = ownTable("ledger");
/** What was about to be published: each line names the table that is to take the asset's place. */
export const PREPARED = ownTable("ledger_prepared");
/** Rows that broke the contract. */
export const QUARANTINE = ownTable("quarantine");
const FAILED_ROWS = ownTable("failed_rows");

const ENTRY = [
  "asset_key String",
  "run_id String",
  "root_run_id String",
  "code_version String",
  "partition_keys Nullable(String)",
  "row_count Int64",
  "columns String",
  "content_hash String",
  "started_at DateTime64(6, 'UTC')",
  "cursor Nullable(String)",
  "report String",
  "table_uuid UUID",
];
const ENTRY_NAMES = ENTRY.map((column) => column.split(" ")[0]).join(", ");

/** What a quarantine older than replays does not have. */
export const REPLAYED = ["exact Nullable(String)", "origin Nullable(String)"];

/**
 * Makes the runtime's own database and tables where they are missing.
 *
 * @param present Names of tables that the server which answers has; the other nodes of a cluster may not have them.
 */
export async function createOwnTables(client: Client, present: readonly string[] = []): Promise<void> {
  const names = ["ledger", "ledger_prepared", "quarantine"];
  if (client.config.cluster === null && names.every((name) => present.includes(name))) return;
  const cluster = onCluster(client);
  const make = (table: string, columns: readonly string[], order: string): Promise<void> =>
    client.run(
      `CREATE TABLE IF NOT EXISTS ${table}${cluster} (${columns.join(", ")}) ENGINE = ${client.config.engine} ORDER BY ${order}`,
    );
  await client.run(`CREATE DATABASE IF NOT EXISTS ${quote(OWN_DATABASE)}${cluster}`);
  await make(LEDGER, [...ENTRY, "published_at DateTime64(6, 'UTC')"], "(asset_key, published_at)");
  await make(PREPARED, [...ENTRY, "prepared_at DateTime64(6, 'UTC')"], "(asset_key, prepared_at)");
  await make(
    QUARANTINE,
    [
      "asset_key String",
      "run_id String",
      "quarantined_at DateTime64(6, 'UTC')",
      "row_number Int64",
      "reason String",
      "value String",
      ...REPLAYED,
    ],
    "(asset_key, row_number)",
  );
}

/** Writes down what the table with this UUID is, before it takes the asset's place. */
export async function prepareEntry(client: Client, entry: LedgerEntry, tableUuid: string): Promise<void> {
  const line = { ...lineOf(entry, tableUuid), prepared_at: instantText(new Date()) };
  await client.insert(`INSERT INTO ${PREPARED} FORMAT JSONEachRow`, JSON.stringify(line));
}

/**
 * Writes down what has just taken the asset's place. Under the lock of the asset, and after a look under it that found the
 * line of the table before settled.
 *
 * @param publishedAt As that look said, see {@link laterThan}: a late statement of a dead process, whose line the next
 *   publish has settled, writes the same line once more and not a later one. Who reads counts it once.
 */
export async function recordExchange(
  client: Client,
  entry: LedgerEntry,
  tableUuid: string,
  publishedAt: string,
): Promise<void> {
  const line = { ...lineOf(entry, tableUuid), published_at: publishedAt };
  await client.insert(`INSERT INTO ${LEDGER} FORMAT JSONEachRow`, JSON.stringify(line));
}

/** Writes down what was published into the table that stays in its place. Under the lock of the asset. */
export async function recordEntry(client: Client, entry: LedgerEntry): Promise<void> {
  // No table has this UUID: one that is in place can have many of these lines.
  const line = lineOf(entry, randomUUID());
  const last = `(SELECT max(published_at) FROM ${LEDGER} WHERE asset_key = ${literal(entry.assetKey)})`;
  await client.insert(
    `INSERT INTO ${LEDGER} (${ENTRY_NAMES}, published_at)
      SELECT ${ENTRY_NAMES}, ${laterThan(last)} FROM input(${literal(ENTRY.join(", "))})
      FORMAT JSONEachRow`,
    JSON.stringify(line),
  );
}

/** The server's time, but after the last line of the asset: the latest is the latest also when a clock was set back. */
function laterThan(last: string): string {
  return `greatest(now64(6, 'UTC'), ifNull(${last} + toIntervalMicrosecond(1), now64(6, 'UTC')))`;
}

function lineOf(entry: LedgerEntry, tableUuid: string): object {
  return {
    asset_key: entry.assetKey,
    run_id: entry.runId,
    root_run_id: entry.rootRunId,
    code_version: entry.codeVersion,
    partition_keys: entry.partitionKeys === null ? null : JSON.stringify(entry.partitionKeys),
    row_count: String(entry.rowCount),
    columns: JSON.stringify(entry.columns),
    content_hash: entry.contentHash,
    started_at: instantText(entry.startedAt),
    cursor: entry.cursor,
    report: entry.report,
    table_uuid: tableUuid,
  };
}

/**
 * Moves the line of the table that has the asset's place now into the ledger, unless it is there. Under the lock of the
 * asset, after an exchange and before the next one. A late statement of a dead process finds nothing to move.
 */
export async function settleEntry(client: Client, target: Target): Promise<void> {
  await client.run(
    {
      text: `INSERT INTO ${LEDGER} (${ENTRY_NAMES}, published_at)
      WITH (SELECT (max(published_at), groupArray(table_uuid)) FROM ${LEDGER} WHERE asset_key = {p1:String}) AS past
      SELECT ${ENTRY_NAMES}, ${laterThan("past.1")} FROM ${PREPARED}
      WHERE asset_key = {p1:String} AND table_uuid IN (${CURRENT}) AND NOT has(past.2, table_uuid)
      LIMIT 1`,
      parameters: [target.assetKey, target.schema, target.table],
    },
    FEW_ROWS,
  );
}

/** The lines of an asset, as {@link IS_UNSETTLED} and {@link NEXT_PUBLISHED_AT} read them; parameter 4. */
export const PAST = `(SELECT (max(published_at), groupArray(table_uuid)) FROM ${LEDGER} WHERE asset_key = {p4:String})`;
/** Whether the line of the table with this `uuid` is not yet among them. A table that people have made has none. */
export const IS_UNSETTLED = `uuid IN (SELECT table_uuid FROM ${PREPARED} WHERE asset_key = {p4:String}) AND NOT has(past.2, uuid)`;
/** When a line that is to come after them is published, as text. */
export const NEXT_PUBLISHED_AT = `toString(${laterThan("past.1")})`;

/** The table in the asset's place; parameters 2 and 3. */
const CURRENT = "SELECT uuid FROM system.tables WHERE database = {p2:String} AND name = {p3:String}";

/**
 * All that was ever in the asset's place: what the ledger says, and the line of the table that is there now, even when
 * the process died between the exchange and the ledger. A line that is there twice counts as the first one, see
 * {@link recordExchange}.
 */
export const PUBLISHED = `(
  SELECT *, 0 AS unsettled FROM ${LEDGER} WHERE asset_key = {p1:String} ORDER BY published_at LIMIT 1 BY table_uuid
  UNION ALL
  SELECT *, 1 AS unsettled FROM ${PREPARED} WHERE asset_key = {p1:String} AND table_uuid IN (${CURRENT})
    AND table_uuid NOT IN (SELECT table_uuid FROM ${LEDGER} WHERE asset_key = {p1:String})
)`;

/** The latest publish of an asset by the runs of one root, by the same code and for the same partitions. */
export async function findLedgerEntry(
  client: Client,
  target: Target,
  { rootRunId, codeVersion, partitionKeys: keys = null }: Omit<PublishedBy, "assetKey">,
): Promise<LedgerEntry | undefined> {
  const rows = await query(client, {
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash, toUnixTimestamp64Milli(started_at), cursor, report
      FROM ${PUBLISHED} WHERE root_run_id = {p4:String} AND code_version = {p5:String}
        AND ifNull(partition_keys, 'null') = {p6:String}
      ORDER BY unsettled DESC, published_at DESC LIMIT 1`,
    parameters: [target.assetKey, target.schema, target.table, rootRunId, codeVersion, JSON.stringify(keys)],
  });
  return readLedgerEntry({ assetKey: target.assetKey, rootRunId, codeVersion }, rows[0]);
}

/** The latest lines of an asset, the last one first. */
export async function recentEntries(client: Client, target: Target, options: RecentOptions): Promise<LedgerEntry[]> {
  const rows = await query(client, {
    text: `SELECT run_id, partition_keys, row_count, columns, content_hash, toUnixTimestamp64Milli(started_at), cursor, report,
        root_run_id, code_version
      FROM ${PUBLISHED} WHERE ${isRecent(options)}
      ORDER BY unsettled DESC, published_at DESC LIMIT ${BigInt(options.limit)}`,
    parameters: [target.assetKey, target.schema, target.table],
  });
  return readLedgerEntries(target.assetKey, rows);
}

/** The cursor of an asset's latest publish. */
export async function lastCursor(client: Client, target: Target): Promise<string | null> {
  const rows = await query(client, {
    text: `SELECT cursor FROM ${PUBLISHED} ORDER BY unsettled DESC, published_at DESC LIMIT 1`,
    parameters: [target.assetKey, target.schema, target.table],
  });
  return rows[0]?.[0] ?? null;
}

/** The latest publish of each partition of an asset; of `""`, where `keys` is `null`. */
export async function publishesOf(
  client: Client,
  target: Target,
  keys: readonly string[] | null,
): Promise<ReadonlyMap<string, LastPublish>> {
  const key =
    keys === null ? "''" : "arrayJoin(JSONExtract(assumeNotNull(ifNull(partition_keys, '[\"\"]')), 'Array(String)'))";
  const lines = {
    text: `SELECT ${key} AS partition_key, run_id, started_at, published_at, unsettled FROM ${PUBLISHED}`,
    parameters: [target.assetKey, target.schema, target.table],
    parameter,
    order: "unsettled DESC, ",
  };
  return (await nullWithoutTable(lastPublishes(client, lines, keys))) ?? new Map<string, LastPublish>();
}

/** Asks the ledger; nothing without one. */
export async function query(client: Client, statement: Parameters<Client["text"]>[0]): Promise<(string | null)[][]> {
  return (await nullWithoutTable(client.text(statement)))?.rows ?? [];
}

/** How often runs have published each asset. */
export async function publishCounts(
  client: Client,
  assetKeys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (assetKeys.length === 0) return new Map();
  const rows = await query(
    client,
    `SELECT asset_key, uniqExact(table_uuid) FROM ${LEDGER} WHERE asset_key IN (${assetKeys.map(literal).join(", ")}) GROUP BY asset_key`,
  );
  return new Map(rows.map(([key, count]) => [key ?? "", count ?? ""]));
}

/** The failed rows of a run take the place of those before; those of its other partitions stay. */
export async function replaceFailedRows(
  client: Client,
  assetKey: string,
  { runId, partitionKeys = null }: Pick<Attempt, "runId" | "partitionKeys">,
  rows: readonly FailedRow[],
): Promise<void> {
  const columns = ["asset_key", "run_id", "partition_keys", "check_name"].map((name) => `${name} String`);
  await client.run(
    `CREATE TABLE IF NOT EXISTS ${FAILED_ROWS}${onCluster(client)} (${columns.join(", ")}, found_at DateTime64(6, 'UTC'), ` +
      `value String) ENGINE = ${client.config.engine} ORDER BY (asset_key, check_name)`,
  );
  const partition_keys = JSON.stringify(partitionKeys);
  await client.run({
    text: `DELETE FROM ${FAILED_ROWS} WHERE asset_key = {p1:String} AND (run_id <> {p2:String} OR partition_keys = {p3:String})`,
    parameters: [assetKey, runId, partition_keys],
  });
  if (rows.length === 0) return;
  const found_at = instantText(new Date());
  const lines = rows.map(({ checkName, value }) =>
    JSON.stringify({ asset_key: assetKey, run_id: runId, partition_keys, check_name: checkName, found_at, value }),
  );
  await client.insert(`INSERT INTO ${FAILED_ROWS} FORMAT JSONEachRow`, lines.join("\n"));
}
