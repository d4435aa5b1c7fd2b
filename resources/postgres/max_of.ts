import { quote } from "../quote.ts";
import type { Connections, Work } from "./connections.ts";

/**
 * The highest value of a column as text; `null` without rows.
 *
 * @throws UndefinedRelationError
 */
export async function maxOf(
  connections: Connections,
  work: Work,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  const { rows } = await connections.transaction({ ...work, isReadOnly: true }, (client) =>
    client.text(`SELECT CAST(max(${quote(column)}) AS text) FROM ${quote(schema)}.${quote(table)}`),
  );
  return rows[0]?.[0] ?? null;
}
