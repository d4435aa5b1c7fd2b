import { ContractError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import type { DescribedColumn } from "./submitted.ts";
import { columnTypeName } from "./type_names.ts";

/** The columns of a table, as CREATE TABLE takes them. */
export function columnDefinitions({ columns }: Pick<Target, "columns">): string {
  return columns
    .map((column) => `${quote(column.name)} ${columnTypeName(column.type)}${column.nullable ? "" : " NOT NULL"}`)
    .join(", ");
}

/** The names of the columns, quoted. */
export function columnList({ columns }: Pick<Target, "columns">): string {
  return columns.map(({ name }) => quote(name)).join(", ");
}

/**
 * Refuses a query whose columns are not the contract's: names and types, in any order. Nothing is run.
 *
 * @throws ContractError with all the differences
 */
export async function requireContract(
  client: Client,
  text: string,
  target: Pick<Target, "assetKey" | "columns">,
): Promise<void> {
  // As it will be run: a part of another statement takes SELECT only.
  const described = await client.describe(`SELECT * FROM (${text}\n) AS query`);
  const differences = contractDifferences(await typed(client, described), target.columns);
  if (differences.length > 0)
    throw new ContractError(`the SQL of ${target.assetKey} does not yield its contract: ${differences.join("; ")}`);
}

/** A query's columns in the contract's order; texts with the collation of the database, whatever the query says. */
export function contractQuery(text: string, { columns }: Pick<Target, "columns">): string {
  const list = columns.map(({ name, type }) =>
    type.kind === "string" ? `${quote(name)} COLLATE pg_catalog."default" AS ${quote(name)}` : quote(name),
  );
  return `SELECT ${list.join(", ")} FROM (${text}\n) AS query`;
}

/** A column of a relation, with the name of its type. */
export interface TypedColumn {
  readonly name: string;
  readonly type: string;
}

async function typed(client: Client, columns: readonly DescribedColumn[]): Promise<TypedColumn[]> {
  if (columns.length === 0) return [];
  const types = columns.map((column) => `(${column.dataTypeID}::oid, ${column.dataTypeModifier})`);
  const { rows } = await client.text(
    `SELECT pg_catalog.format_type(type, modifier) FROM (VALUES ${types.join(", ")}) AS described (type, modifier)`,
  );
  return columns.map(({ name }, index) => ({ name, type: rows[index]?.[0] ?? "" }));
}

/** How the columns that a query yields differ from a contract. */
export function contractDifferences(actual: readonly TypedColumn[], columns: Target["columns"]): string[] {
  const found = new Map<string, string>();
  const differences: string[] = [];
  for (const { name, type } of actual) {
    if (found.has(name)) differences.push(`column ${JSON.stringify(name)} is there twice`);
    found.set(name, type);
  }
  for (const { name, type } of columns) {
    const expected = columnTypeName(type);
    const got = found.get(name);
    if (got === undefined) differences.push(`column ${JSON.stringify(name)} is missing`);
    else if (got !== expected)
      differences.push(`column ${JSON.stringify(name)} is ${got}, expected ${expected}: CAST(… AS ${expected})`);
    found.delete(name);
  }
  for (const name of found.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  return differences;
}
