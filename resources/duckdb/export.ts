import type { Sql } from "../../definitions/sql.ts";
import { MissingTableError } from "../errors.ts";
import { literal, quote, tableName } from "../quote.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { requireContract } from "./contract.ts";
import { duckdbDialect } from "./dialect.ts";
import { withLimitedMemory } from "./memory.ts";
import { columnTypeName } from "./type_names.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const MEMORY = "512MB";

/** Writes all rows of a table, or of a query, to a new Parquet file. @throws MissingTableError, ContractError */
export async function exportTable(client: Client, target: Target, path: string, sql?: Sql): Promise<void> {
  if (sql !== undefined) {
    const { text, parameters } = renderSql(sql, duckdbDialect({ self: null, window: null }));
    await requireContract(client, text, target);
    await writeRows(client, target, { text: `(${text}\n) AS query`, parameters }, path);
    return;
  }
  const { rows } = await client.text({
    text: `SELECT 1 FROM information_schema.tables
      WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`,
    parameters: [target.schema, target.table],
  });
  if (rows.length === 0) throw new MissingTableError(target.assetKey);
  await writeRows(client, target, { text: tableName(target.assetKey), parameters: [] }, path);
}

async function writeRows(client: Client, target: Target, from: Statement, path: string): Promise<void> {
  const list = target.columns.map(({ name, type }) => {
    // Not every reader knows the type of a document; all know its text.
    const to = type.kind === "json" ? "VARCHAR" : columnTypeName(type);
    return `CAST(${quote(name)} AS ${to}) AS ${quote(name)}`;
  });
  const text = `COPY (SELECT ${list.join(", ")} FROM ${from.text}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`;
  await withLimitedMemory(client, MEMORY, () => client.run({ text, parameters: from.parameters }));
}
