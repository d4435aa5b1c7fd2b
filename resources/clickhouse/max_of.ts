import type { Arrivals, ArrivalsQuery } from "../../definitions/tick.ts";
import { countArrivals } from "../arrivals.ts";
import { nullWithoutTable } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";
import { BUCKET_SYNTAX } from "./inspect.ts";
import { quote, tableName } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** The highest value of a column as text; `null` without rows and without the table. */
export async function maxOf(
  client: Client,
  { schema, table }: { readonly schema: string; readonly table: string },
  column: string,
): Promise<string | null> {
  // Of no rows, max is the default of the type.
  const found = client.text(`SELECT toString(maxOrNull(${quote(column)})) FROM ${quote(schema)}.${quote(table)}`);
  return (await nullWithoutTable(found))?.rows[0]?.[0] ?? null;
}

/** Counts the rows that arrived since a time; `null` without the table. */
export async function arrivalsOf(
  client: Client,
  { assetKey, columns }: Target,
  query: ArrivalsQuery,
): Promise<Arrivals | null> {
  const syntax = {
    ...BUCKET_SYNTAX,
    typed: (placeholder: string, type: Parameters<typeof columnTypeName>[0]) =>
      `CAST(${placeholder} AS ${columnTypeName(type)})`,
    parameter,
  };
  return await nullWithoutTable(countArrivals(client, syntax, tableName(assetKey), columns, query));
}
