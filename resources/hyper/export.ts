import { existsSync } from "node:fs";
import { MissingTableError } from "../errors.ts";
import { writeParquet } from "../parquet_file.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { hasTable } from "./ledger.ts";
import { columnTypeName } from "./type_names.ts";

/** Names of this machine in HYPER_URL. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/**
 * Writes all rows of a table to a new Parquet file: the server by itself where it is on this machine, else this process,
 * to which the server sends the rows.
 *
 * @throws MissingTableError
 */
export async function exportTable(client: Client, target: Target, path: string, { signal }: Attempt): Promise<void> {
  if (!(await hasTable(client, target.schema, target.table))) throw new MissingTableError(target.assetKey);
  const table = tableName(target.assetKey);
  const list = target.columns.map(({ name, type }) =>
    type.kind === "json" ? `CAST(${quote(name)} AS text) AS ${quote(name)}` : quote(name),
  );
  if (LOOPBACK.test(client.host)) {
    await client.run(`COPY (SELECT ${list.join(", ")} FROM ${table}) TO ${literal(path)} WITH (FORMAT parquet)`);
    // A server in a container has written to a disk of its own.
    if (existsSync(path)) return;
  }
  const guarded = target.columns.map(({ name, type }) => {
    const column = quote(name);
    if (type.kind !== "timestamp" && type.kind !== "date") return column;
    // DuckDB, which writes the file, reads no years before Christ: the server refuses to send them.
    const typeName = columnTypeName(type);
    const refused = `CAST('out of range: ' || CAST(${column} AS text) AS ${typeName})`;
    return `CASE WHEN ${column} < ${typeName} '0001-01-01' THEN ${refused} ELSE ${column} END`;
  });
  const query = `COPY (SELECT ${guarded.join(", ")} FROM ${table}) TO STDOUT WITH (FORMAT csv, NULL '\\N')`;
  await client.copyOut(query, (rows) => writeParquet(path, rows, target.columns, signal));
}
