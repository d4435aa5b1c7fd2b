import { createHash } from "node:crypto";
import { literal, quote } from "../quote.ts";
import type { SnapshotTable } from "../snapshot.ts";
import type { Client } from "./client.ts";
import { rowHash } from "./dialect.ts";
import { withLimitedMemory } from "./memory.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const MEMORY = "512MB";

interface ColumnState {
  readonly name: string;
  readonly type: string;
  readonly comment: string | null;
}

/** Rows that are one Parquet file. */
export interface Part {
  /** The month, `YYYY-MM`; `all`, where the table is one file; `none`, of rows without a time. */
  readonly name: string;
  readonly rowCount: bigint;
  /** The sum of the rows' hashes. */
  readonly sum: bigint;
}

/** A table or view of the warehouse as it is: not as the contract says, which may be ahead of it. */
export interface TableState {
  readonly schema: string;
  readonly table: string;
  readonly comment: string | null;
  readonly columns: readonly ColumnState[];
  /** By whose months it is split. */
  readonly timeColumn: string | null;
  readonly parts: readonly Part[];
}

/** The state of a table, rows hashed; `undefined`: it is not there. 1.5 million rows take some 20 ms. */
export async function readTable(
  client: Client,
  { schema, table, timeColumn }: Omit<SnapshotTable, "assetKey">,
): Promise<TableState | undefined> {
  const parameters = [schema, table];
  const { rows: found } = await client.text({
    text: `SELECT column_name, data_type, comment FROM duckdb_columns()
      WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database() ORDER BY column_index`,
    parameters,
  });
  if (found.length === 0) return undefined;
  const { rows: comments } = await client.text({
    text: `SELECT comment FROM duckdb_tables()
        WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()
      UNION ALL SELECT comment FROM duckdb_views()
        WHERE schema_name = $1 AND view_name = $2 AND database_name = current_database()`,
    parameters,
  });
  const columns = found.map(([name, type, comment]) => ({
    name: name ?? "",
    type: type ?? "",
    comment: comment ?? null,
  }));
  const time = columns.find(({ name, type }) => name === timeColumn && /^(DATE|TIMESTAMP.*)$/.test(type));
  const state = { schema, table, columns, timeColumn: time?.name ?? null, comment: comments[0]?.[0] ?? null };
  return { ...state, parts: await partsOf(client, state) };
}

/** Counts and hashes the rows, by month where it is split. */
export async function partsOf(
  client: Client,
  { schema, table, columns, timeColumn }: Omit<TableState, "parts">,
): Promise<Part[]> {
  const month = timeColumn === null ? "'all'" : `COALESCE(strftime(${quote(timeColumn)}, '%Y-%m'), 'none')`;
  const names = columns.map(({ name }) => quote(name)).join(", ");
  const { rows } = await client.text(
    `SELECT ${month} AS part, count(*), COALESCE(sum(${rowHash(names)}), 0) FROM ${quote(schema)}.${quote(table)} GROUP BY part ORDER BY part`,
  );
  // A table without rows has columns all the same.
  if (rows.length === 0) return [{ name: "all", rowCount: 0n, sum: 0n }];
  return rows.map(([name, count, sum]) => ({ name: name ?? "", rowCount: BigInt(count ?? 0), sum: BigInt(sum ?? 0) }));
}

/** The name of the file of a part, which says all that is in it: no file is ever written twice. */
export function fileName({ schema, table, columns }: TableState, part: Part, engine: string): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([engine, columns.map(({ name, type }) => [name, type])]));
  hash.update(`${part.name} ${part.rowCount} ${part.sum}`);
  return `${schema}.${table}/${part.name}-${hash.digest("hex").slice(0, 24)}.parquet`;
}

/** Writes the rows of a part to a Parquet file. */
export async function exportPart(
  client: Client,
  { schema, table, columns, timeColumn }: TableState,
  part: Part,
  path: string,
): Promise<void> {
  const names = columns.map(({ name }) => quote(name)).join(", ");
  const query = `SELECT ${names} FROM ${quote(schema)}.${quote(table)} WHERE ${conditionOf(timeColumn, part)}`;
  await withLimitedMemory(client, MEMORY, () =>
    client.run(`COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`),
  );
}

function conditionOf(timeColumn: string | null, { name }: Part): string {
  if (timeColumn === null || name === "all") return "true";
  if (name === "none") return `${quote(timeColumn)} IS NULL`;
  // A range, so that the engine reads the rows of the month alone.
  const start = `CAST(${literal(`${name}-01`)} AS DATE)`;
  return `${quote(timeColumn)} >= ${start} AND ${quote(timeColumn)} < ${start} + INTERVAL '1' MONTH`;
}

/** Makes the view over the files of a table, with its comments. */
export async function createView(client: Client, state: TableState, paths: readonly string[]): Promise<void> {
  const { schema, table, columns } = state;
  const name = `${quote(schema)}.${quote(table)}`;
  const list = columns.map(({ name: column, type }) => `CAST(${quote(column)} AS ${type}) AS ${quote(column)}`);
  const files = paths.map(literal).join(", ");
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`);
  await client.run(
    `CREATE VIEW ${name} AS SELECT ${list.join(", ")} FROM read_parquet([${files}], hive_partitioning = false)`,
  );
  if (state.comment !== null) await client.run(`COMMENT ON VIEW ${name} IS ${literal(state.comment)}`);
  for (const { name: column, comment } of columns)
    if (comment !== null) await client.run(`COMMENT ON COLUMN ${name}.${quote(column)} IS ${literal(comment)}`);
}
