import type { Column } from "../../definitions/column_type.ts";
import type { Arrivals, ArrivalsQuery } from "../../definitions/tick.ts";
import { countArrivals } from "../arrivals.ts";
import { quote } from "../quote.ts";
import { POSTGRES_CHECKS } from "./checks.ts";
import type { Connections, Work } from "./connections.ts";
import { parameter } from "./dialect.ts";

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

/**
 * Counts the rows that arrived since a time.
 *
 * @throws UndefinedRelationError
 */
export async function arrivalsOf(
  connections: Connections,
  work: Work,
  { schema, table }: { readonly schema: string; readonly table: string },
  columns: readonly Column[],
  query: ArrivalsQuery,
): Promise<Arrivals> {
  const relation = `${quote(schema)}.${quote(table)}`;
  return await connections.transaction({ ...work, isReadOnly: true }, (client) =>
    countArrivals(client, { ...POSTGRES_CHECKS, parameter }, relation, columns, query),
  );
}

/** The same of a table that no asset makes: whether its rows have a day or an instant, the server knows. */
export async function arrivalsOfTable(
  connections: Connections,
  work: Work,
  source: { readonly schema: string; readonly table: string },
  query: ArrivalsQuery,
): Promise<Arrivals> {
  const { rows } = await connections.transaction({ ...work, isReadOnly: true }, (client) =>
    client.text({
      text: `SELECT 1 FROM information_schema.columns
        WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 AND data_type = 'date'`,
      parameters: [source.schema, source.table, query.time],
    }),
  );
  const column = (name: string, kind: "date" | "timestamp"): Column => ({
    ...{ name, type: { kind }, value: "date", nullable: true, description: null },
  });
  const columns = [column(query.time, rows.length > 0 ? "date" : "timestamp"), column(query.arrived, "timestamp")];
  return await arrivalsOf(connections, work, source, columns, query);
}
