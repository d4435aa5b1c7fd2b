import type { Client } from "./client.ts";

/** Bytes of a name that PostgreSQL keeps. */
const MAX_NAME_BYTES = 63;

/**
 * The name that PostgreSQL makes for an index: `table_columns_label`, where the longer of the two first parts loses its end until all fits.
 *
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/commands/indexcmds.c makeObjectName
 */
export function objectName(table: string, part: string, label: string): string {
  const room = MAX_NAME_BYTES - "_".length - `_${label}`.length;
  let [first, second] = [Buffer.byteLength(table), Math.min(Buffer.byteLength(part), 2 * MAX_NAME_BYTES)];
  while (first + second > room) {
    if (first > second) first -= 1;
    else second -= 1;
  }
  return `${clip(table, first)}_${clip(part, second)}_${label}`;
}

/** `table_label`, where the table loses its end until all fits. */
export function labelledName(table: string, label: string): string {
  return `${clip(table, MAX_NAME_BYTES - Buffer.byteLength(`_${label}`))}_${label}`;
}

/** The names that relations of a schema have: tables, views, indexes, sequences, partitions. */
export async function relationNames(client: Client, schema: string): Promise<Set<string>> {
  const { rows } = await client.text({
    text: `SELECT relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1`,
    parameters: [schema],
  });
  return new Set(rows.map(([name]) => name ?? ""));
}

/** A name that no other has: as PostgreSQL does, a number is put behind the label. */
export function freeName(isTaken: (name: string) => boolean, nameWith: (label: string) => string): string {
  for (let number = 0; ; number += 1) {
    const name = nameWith(number === 0 ? "idx" : `idx${number}`);
    if (!isTaken(name)) return name;
  }
}

/** As many whole characters as fit into so many bytes. */
function clip(text: string, bytes: number): string {
  let length = 0;
  let end = 0;
  for (const character of text) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}
