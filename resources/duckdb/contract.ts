import { DuckDBTypeId, StatementType } from "@duckdb/node-api";
import { ContractError } from "../errors.ts";
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

/**
 * Refuses a query whose columns are not the contract's: names and types, in any order.
 *
 * @throws ContractError with all the differences
 */
export async function requireContract(
  client: Client,
  text: string,
  target: Pick<Target, "assetKey" | "columns">,
): Promise<void> {
  const differences = await contractDifferences(client, text, target.columns);
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
  text: string,
  columns: Target["columns"] | null,
): Promise<string[]> {
  const prepared = await client.connection.prepare(text);
  try {
    // It is run as a part of another statement, which takes no DELETE, and no semicolon before a comment.
    if (prepared.statementType !== StatementType.SELECT) return ["expected a query, which begins with SELECT or WITH"];
    if (text.includes(";")) (await client.connection.prepare(`SELECT * FROM (${text}\n) AS query`)).destroySync();
    if (columns === null) return [];
    const actual = new Map<string, string>();
    const differences: string[] = [];
    for (let index = 0; index < prepared.columnCount; index += 1) {
      const name = prepared.columnName(index);
      if (actual.has(name)) differences.push(`column ${JSON.stringify(name)} is there twice`);
      if (prepared.columnTypeId(index) === DuckDBTypeId.INVALID)
        return [
          `the type of a bound value is unknown: write CAST(\${…} AS …) around texts and null in the SELECT list`,
        ];
      actual.set(name, String(prepared.columnType(index)));
    }
    for (const { name, type } of columns) {
      // The driver shows JSON as the text that it is stored as.
      const expected = type.kind === "json" ? "VARCHAR" : columnTypeName(type);
      const got = actual.get(name);
      if (got === undefined) differences.push(`column ${JSON.stringify(name)} is missing`);
      else if (got !== expected)
        differences.push(`column ${JSON.stringify(name)} is ${got}, expected ${expected}: CAST(… AS ${expected})`);
      actual.delete(name);
    }
    for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
    return differences;
  } finally {
    prepared.destroySync();
  }
}
