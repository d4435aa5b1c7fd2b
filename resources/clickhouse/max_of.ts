import type { Client } from "./client.ts";
import { UndefinedRelationError } from "./errors.ts";
import { quote } from "./quote.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(
  client: Client,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  try {
    // Of no rows, max is the default of the type.
    const { rows } = await client.text({
      text: `SELECT toString(maxOrNull(${quote(column)})) FROM ${quote(schema)}.${quote(table)}`,
      parameters: [],
    });
    return rows[0]?.[0] ?? null;
  } catch (error) {
    // Nothing was published yet.
    if (error instanceof UndefinedRelationError) return null;
    throw error;
  }
}
