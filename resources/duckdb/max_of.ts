import { quote } from "../quote.ts";
import type { Client } from "./client.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(client: Client, schema: string, table: string, column: string): Promise<string | null> {
  if (!(await hasTable(client, schema, table))) return null;
  const { rows } = await client.text(
    `SELECT CAST(max(${quote(column)}) AS VARCHAR) FROM ${quote(schema)}.${quote(table)}`,
  );
  return rows[0]?.[0] ?? null;
}

/** Whether a table exists. */
export async function hasTable(client: Client, schema: string, table: string): Promise<boolean> {
  const { rows } = await client.text({
    text: `SELECT 1 FROM information_schema.tables
      WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`,
    parameters: [schema, table],
  });
  return rows.length > 0;
}
