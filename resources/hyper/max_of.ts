import { quote } from "../quote.ts";
import type { Client } from "./client.ts";
import { hasTable } from "./has_table.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(
  client: Client,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  const name = `${quote(schema)}.${quote(table)}`;
  if (!(await hasTable(client, name))) return null;
  const { rows } = await client.text({
    text: `SELECT CAST(max(${quote(column)}) AS text) FROM ${name}`,
    parameters: [],
  });
  return rows[0]?.[0] ?? null;
}
