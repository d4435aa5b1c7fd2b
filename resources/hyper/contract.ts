import { ContractError } from "../errors.ts";
import type { Statement } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { quote } from "../quote.ts";
import { columnTypeName } from "./type_names.ts";

/** The columns of a table, as CREATE TABLE takes them. */
export function columnDefinitions({ columns }: Pick<Target, "columns">): string {
  return columns
    .map((column) => `${quote(column.name)} ${columnTypeName(column.type)}${column.nullable ? "" : " NOT NULL"}`)
    .join(", ");
}

/** The quoted names of a table's columns. */
export function columnNames({ columns }: Pick<Target, "columns">): string {
  return columns.map(({ name }) => quote(name)).join(", ");
}

/**
 * Refuses a query whose columns are not the contract's: names and types, in any order.
 *
 * @throws ContractError with all the differences
 */
export async function requireContract(client: Client, statement: Statement, target: Target): Promise<void> {
  const differences = await contractDifferences(client, statement, target.columns);
  if (differences.length > 0)
    throw new ContractError(`the SQL of ${target.assetKey} does not yield its contract: ${differences.join("; ")}`);
}

/**
 * How the columns that a query yields differ from a contract; nothing is run.
 *
 * @param columns `null`: any columns will do, as long as the engine accepts the query.
 */
export async function contractDifferences(
  client: Client,
  { text, parameters }: Statement,
  columns: Target["columns"] | null,
): Promise<string[]> {
  const yielded = await client.describe({ text, parameters });
  if (yielded === undefined || yielded.length === 0)
    return ["expected a query, which begins with SELECT or WITH and yields columns"];
  // It is run as a part of another statement, which takes no DELETE … RETURNING, and no semicolon before a comment.
  await client.describe({ text: `SELECT * FROM (${text}\n) AS query`, parameters });
  if (columns === null) return [];
  const actual = new Map<string, string>();
  const differences: string[] = [];
  for (const { name, type } of yielded) {
    if (actual.has(name)) differences.push(`column ${JSON.stringify(name)} is there twice`);
    actual.set(name, type);
  }
  for (const { name, type } of columns) {
    const expected = columnTypeName(type);
    const got = actual.get(name);
    if (got === undefined) differences.push(`column ${JSON.stringify(name)} is missing`);
    else if (got !== expected)
      differences.push(`column ${JSON.stringify(name)} is ${got}, expected ${expected}: CAST(… AS ${expected})`);
    actual.delete(name);
  }
  for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  return differences;
}
