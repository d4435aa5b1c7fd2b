import { MissingTableError } from "../errors.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { withLimitedMemory } from "./memory.ts";
import { columnTypeName } from "./type_names.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const MEMORY = "512MB";

/** Writes all rows of a table to a new Parquet file. @throws MissingTableError */
export async function exportTable(client: Client, target: Target, path: string): Promise<void> {
  const { rows } = await client.text({
    text: `SELECT 1 FROM information_schema.tables
      WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`,
    parameters: [target.schema, target.table],
  });
  if (rows.length === 0) throw new MissingTableError(target.assetKey);
  const list = target.columns.map(({ name, type }) => {
    // Not every reader knows the type of a document; all know its text.
    const to = type.kind === "json" ? "VARCHAR" : columnTypeName(type);
    return `CAST(${quote(name)} AS ${to}) AS ${quote(name)}`;
  });
  const query = `SELECT ${list.join(", ")} FROM ${tableName(target.assetKey)}`;
  await withLimitedMemory(client, MEMORY, () =>
    client.run(`COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`),
  );
}
