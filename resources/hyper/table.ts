import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { FoundTable } from "../frozen_tables.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { hasTable } from "./has_table.ts";
import { literal, quote, tableName } from "../quote.ts";
import { describe } from "./table_state.ts";
import { columnTypeName } from "./type_names.ts";

/** What a table needs before it can take rows of its contract. */
export type TableChange =
  | { readonly kind: "none" }
  | { readonly kind: "create" }
  /** Another table is to take its place; `kept`: the columns of both. */
  | { readonly kind: "swap"; readonly kept: readonly Column[] };

/**
 * Compares a table with the contract. A missing table is to be made. With any difference another table has to take its
 * place, which fails statements of readers, so the asset must have chosen it. One that is more than new nullable columns
 * takes a strategy that replaces all rows.
 *
 * No column is added to a table that is there: `ALTER TABLE … ADD COLUMN` waits for every COPY of the server, also one
 * whose process was killed, which hyperd 0.0.26963 forgets when it is started again and not before.
 *
 * @throws ContractError where the table stays and is not what the contract says
 */
export async function findChange(client: Client, target: Target): Promise<TableChange> {
  if (!(await hasTable(client, tableName(target.assetKey)))) return { kind: "create" };
  const { kept, added, differences } = compare((await describe(client, target)).columns, target.columns);
  if (added.length === 0 && differences.length === 0) return { kind: "none" };
  const canChange = differences.length === 0 || target.strategy.kind === "replace";
  if (canChange && target.storage.hyper?.interruptReaders === true) return { kind: "swap", kept };
  const all = [...added.map((name) => `column ${JSON.stringify(name)} is new`), ...differences];
  throw new ContractError(
    `${target.assetKey} keeps its table, which is not what the contract says: ${all.join("; ")}. Nothing was published` +
      (canChange
        ? ". Hyper changes a table only with an instant in which statements of readers fail: where they can try again, " +
          "declare storage: { hyper: { interruptReaders: true } }, otherwise write the new columns as another asset"
        : ""),
  );
}

/** Makes the table, empty. */
export async function createTable(client: Client, target: Target): Promise<void> {
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(target.schema)}`);
  await client.run(`CREATE TABLE IF NOT EXISTS ${tableName(target.assetKey)} (${columnDefinitions(target)})`);
}

interface Comparison {
  readonly kept: readonly Column[];
  /** The names of those that are new and may be NULL. */
  readonly added: readonly string[];
  readonly differences: readonly string[];
}

function compare(present: FoundTable["columns"], columns: readonly Column[]): Comparison {
  const actual = new Map(present.map((column) => [column.name, column]));
  const kept: Column[] = [];
  const added: string[] = [];
  const differences: string[] = [];
  for (const column of columns) {
    const name = JSON.stringify(column.name);
    const found = actual.get(column.name);
    const type = columnTypeName(column.type);
    if (found === undefined) {
      if (column.nullable) added.push(column.name);
      else differences.push(`column ${name} is new and not nullable`);
    } else if (found.typeName !== type) {
      differences.push(`column ${name} is ${found.typeName}, the contract says ${type}`);
    } else if (column.nullable && !found.nullable) {
      differences.push(`column ${name} is NOT NULL, which Hyper cannot change, and the contract allows NULLs`);
    } else if (!column.nullable && found.nullable) {
      differences.push(`column ${name} holds NULLs, the contract allows none`);
    } else {
      kept.push(column);
    }
    actual.delete(column.name);
  }
  for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  return { kept, added, differences };
}

/** The descriptions of columns, where other clients see them; a table has none in Hyper. What people wrote stays. */
export async function describeColumns(client: Client, { columns }: Target, name: string): Promise<void> {
  for (const { name: column, description } of columns)
    if (description !== null) await commentOn(client, name, column, description);
}

/** Writes the comment of a column. @param name Of the table, quoted. */
export async function commentOn(client: Client, name: string, column: string, text: string): Promise<void> {
  await client.run(`COMMENT ON COLUMN ${name}.${quote(column)} IS ${literal(text)}`);
}

/** The comments of the columns of a table that is there, by column. */
export async function commentsOf(client: Client, { schema, table }: Target): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.text({
    text: `SELECT a.attname, d.description
      FROM pg_catalog.pg_description AS d
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
      JOIN pg_catalog.pg_class AS c ON c.oid = d.objoid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2`,
    parameters: [schema, table],
  });
  return new Map(rows.map(([column, description]) => [column ?? "", description ?? ""]));
}
