import type { Arrivals, ArrivalsQuery } from "../../definitions/tick.ts";
import { countArrivals } from "../arrivals.ts";
import { quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(client: Client, schema: string, table: string, column: string): Promise<string | null> {
  if (!(await hasTable(client, schema, table))) return null;
  const { rows } = await client.text(
    `SELECT CAST(max(${quote(column)}) AS VARCHAR) FROM ${quote(schema)}.${quote(table)}`,
  );
  return rows[0]?.[0] ?? null;
}

/** How many rows came to a table; `null` without the table. */
export async function arrivalsOf(
  client: Client,
  { assetKey, schema, table, columns }: Target,
  query: ArrivalsQuery,
): Promise<Arrivals | null> {
  if (!(await hasTable(client, schema, table))) return null;
  return await countArrivals(client, { ...DUCKDB_CHECKS, parameter }, tableName(assetKey), columns, query);
}

/** By the catalog, which is in this process: unlike with a server, to look costs next to nothing. */
async function hasTable(client: Client, schema: string, table: string): Promise<boolean> {
  const { rows } = await client.text({
    text: `SELECT 1 FROM information_schema.tables
      WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`,
    parameters: [schema, table],
  });
  return rows.length > 0;
}
