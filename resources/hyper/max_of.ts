import { quote } from "../quote.ts";
import type { TextReader } from "../store.ts";

/** The highest value of a column as text; `null` without rows. */
export async function maxOf(
  reader: TextReader,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  const text = `SELECT CAST(max(${quote(column)}) AS text) FROM ${quote(schema)}.${quote(table)}`;
  const { rows } = await reader.text({ text, parameters: [] });
  return rows[0]?.[0] ?? null;
}
