import { type ArchivedFile, archivedRead, archivedWrite, type ArchivePartition } from "../archive.ts";
import type { FileState } from "../archive_folder.ts";
import { OWN_SCHEMA, ownTable, quote } from "../quote.ts";
import type { QueryWindow, Target } from "../store.ts";
import type { Client } from "./client.ts";

const FILES = ownTable("archive_files");

/**
 * What became of a file: `writing` before it is there, so that a killed process leaves nothing that nobody knows of;
 * `cold` from the transaction on that deletes its rows from the table; `restored` from the one that brings them back.
 */
type FileStatus = "writing" | "cold" | "restored";

/** A file that is about to be written. */
export interface NewFile {
  readonly partition: ArchivePartition;
  readonly to: string;
  readonly name: string;
}

/** A file that the view does not read. */
export interface IdleFile {
  readonly to: string;
  readonly name: string;
  readonly status: FileStatus;
  readonly partition: string;
  readonly runId: string;
  readonly owner: string;
  /** When it got its status, by the clock of that run. */
  readonly changedAt: Date;
}

/** Makes the list of files where it is missing. */
export async function createFileList(client: Client): Promise<void> {
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(OWN_SCHEMA)}`);
  await client.run(`CREATE TABLE IF NOT EXISTS ${FILES} (
    archive_key VARCHAR NOT NULL,
    source_key VARCHAR NOT NULL,
    partition_key VARCHAR NOT NULL,
    rows_start TIMESTAMPTZ NOT NULL,
    rows_end TIMESTAMPTZ NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    place VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    row_count BIGINT,
    bytes BIGINT,
    sha256 VARCHAR,
    hash_sum VARCHAR,
    engine VARCHAR,
    columns JSON,
    run_id VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
  )`);
}

/** Says, before it is written, that a file may be there. */
export async function insertFile(
  client: Client,
  { partition, to, name }: NewFile,
  by: {
    readonly archive: string;
    readonly source: string;
    readonly runId: string;
    readonly owner: string;
    readonly now: Date;
  },
): Promise<void> {
  const { key, rows, window } = partition;
  await client.run({
    text: `INSERT INTO ${FILES} (archive_key, source_key, partition_key, rows_start, rows_end, window_start, window_end,
        place, name, status, run_id, owner, changed_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'writing', $10, $11, $12)`,
    parameters: [
      ...[by.archive, by.source, key, rows.start, rows.end, window.start, window.end],
      ...[to, name, by.runId, by.owner, by.now],
    ],
  });
}

/** The file has the rows now. In the transaction that deletes them. */
export async function setCold(
  client: Client,
  name: string,
  file: FileState & Pick<ArchivedFile, "rowCount" | "sum" | "engine" | "columns">,
  now: Date,
): Promise<void> {
  await client.run({
    text: `UPDATE ${FILES} SET status = 'cold', row_count = $2, bytes = $3, sha256 = $4, hash_sum = $5, engine = $6,
        columns = $7, changed_at = $8
      WHERE name = $1`,
    parameters: [
      ...[name, file.rowCount, file.bytes, file.sha256, String(file.sum), file.engine],
      ...[JSON.stringify(file.columns), now],
    ],
  });
}

/** The table has the rows again. In the transaction that inserts them. */
export async function setRestored(client: Client, name: string, now: Date): Promise<void> {
  await client.run({
    text: `UPDATE ${FILES} SET status = 'restored', changed_at = $2 WHERE name = $1`,
    parameters: [name, now],
  });
}

/** The names of all buckets and folders in which files are. */
export async function archivePlaces(client: Client): Promise<string[]> {
  if (!(await hasFileList(client))) return [];
  const { rows } = await client.text(`SELECT DISTINCT place FROM ${FILES} WHERE status = 'cold'`);
  return rows.map(([place]) => place ?? "");
}

/** The file is gone, or about to be written over. */
export async function forgetFile(client: Client, name: string): Promise<void> {
  await client.run({ text: `DELETE FROM ${FILES} WHERE name = $1`, parameters: [name] });
}

/** The files that a view reads, oldest first. */
export async function coldFiles(client: Client, archive: string, column: string): Promise<ArchivedFile[]> {
  const { rows } = await client.text({
    text: `SELECT partition_key, epoch_ms(rows_start), epoch_ms(rows_end), epoch_ms(window_start), epoch_ms(window_end),
        place, name, row_count, bytes, sha256, hash_sum, engine, columns
      FROM ${FILES} WHERE archive_key = $1 AND status = 'cold' ORDER BY window_start, name`,
    parameters: [archive],
  });
  return rows.map((row): ArchivedFile => {
    const hash = row[9] ?? null;
    const [key, start, end, from, until, to, name, count, bytes, , sum, engine, columns] = row.map(
      (text) => text ?? "",
    ) as [string, string, string, string, string, string, string, string, string, string, string, string, string];
    return {
      partition: {
        key,
        rows: { kind: "window", column, start: new Date(Number(start)), end: new Date(Number(end)) },
        window: { start: new Date(Number(from)), end: new Date(Number(until)) },
      },
      ...{ to, name, engine, sha256: hash },
      rowCount: BigInt(count),
      bytes: Number(bytes),
      sum: BigInt(sum),
      columns: JSON.parse(columns) as ArchivedFile["columns"],
    };
  });
}

/** The files that a view does not read, any more or yet. */
export async function idleFiles(client: Client, archive: string): Promise<IdleFile[]> {
  const { rows } = await client.text({
    text: `SELECT place, name, status, partition_key, run_id, owner, epoch_ms(changed_at)
      FROM ${FILES} WHERE archive_key = $1 AND status <> 'cold'`,
    parameters: [archive],
  });
  return rows.map((row) => {
    const [to = "", name = "", status = "", partition = "", runId = "", owner = "", changedAt = ""] = row.map(
      (text) => text ?? "",
    );
    return { to, name, status: status as FileStatus, partition, runId, owner, changedAt: new Date(Number(changedAt)) };
  });
}

/** The key of another archive of the same table, which this one's view would know nothing of. */
export async function otherArchive(client: Client, archive: string, source: string): Promise<string | undefined> {
  const { rows } = await client.text({
    text: `SELECT archive_key FROM ${FILES} WHERE source_key = $1 AND archive_key <> $2 AND status = 'cold' LIMIT 1`,
    parameters: [source, archive],
  });
  return rows[0]?.[0] ?? undefined;
}

/**
 * Refuses to write rows of which others are archived.
 *
 * @throws ArchivedError
 */
export async function requireNotArchived(
  client: Client,
  { assetKey, strategy }: Pick<Target, "assetKey" | "strategy">,
): Promise<void> {
  const rows =
    strategy.kind === "replacePartitions" && strategy.partitions.kind === "window" ? strategy.partitions : null;
  const found = await archivedBetween(client, assetKey, "rows", rows);
  if (found !== undefined) throw archivedWrite(assetKey, found.archive, found.partitions);
}

/**
 * Refuses to make a table of rows of which others are archived.
 *
 * @param window What the reader reads; `null`: all.
 * @throws ArchivedError
 */
export async function requireReadable(
  client: Client,
  assetKey: string,
  reads: Iterable<string>,
  window: QueryWindow | null,
): Promise<void> {
  for (const key of reads) {
    const found = await archivedBetween(client, key, "window", window);
    if (found !== undefined) throw archivedRead(assetKey, { key, ...found });
  }
}

async function archivedBetween(
  client: Client,
  source: string,
  what: "rows" | "window",
  span: { readonly start: Date; readonly end: Date } | null,
): Promise<{ readonly archive: string; readonly partitions: readonly string[] } | undefined> {
  if (!(await hasFileList(client))) return undefined;
  const inSpan = span === null ? "" : `AND ${what}_start < $2 AND ${what}_end > $3`;
  const { rows } = await client.text({
    text: `SELECT archive_key, partition_key FROM ${FILES} WHERE source_key = $1 AND status = 'cold' ${inSpan}
      ORDER BY window_start`,
    parameters: [source, ...(span === null ? [] : [span.end, span.start])],
  });
  const [[archive] = []] = rows;
  if (archive === undefined || archive === null) return undefined;
  return { archive, partitions: [...new Set(rows.map(([, key]) => key ?? ""))] };
}

async function hasFileList(client: Client): Promise<boolean> {
  const { rows } = await client.text({
    text: `SELECT 1 FROM duckdb_tables() WHERE schema_name = $1 AND table_name = 'archive_files'
      AND database_name = current_database()`,
    parameters: [OWN_SCHEMA],
  });
  return rows.length > 0;
}
