import { quote } from "../quote.ts";
import type { Client } from "./client.ts";
import { rowsIfThere } from "./has_table.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(
  client: Client,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  const max = `SELECT CAST(max(${quote(column)}) AS text) FROM ${quote(schema)}.${quote(table)}`;
  const rows = await rowsIfThere(client, max);
  return rows[0]?.[0] ?? null;
}
