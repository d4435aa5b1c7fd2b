import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { hasTable } from "./ledger.ts";
import { literal, quote, tableName } from "../quote.ts";
import { setAsideName } from "./names.ts";
import { columnTypeName } from "./type_names.ts";

/** How to go back, and what to do when it went well. */
export interface PreparedTable {
  readonly published: () => Promise<void>;
  readonly failed: () => Promise<void>;
}

/**
 * Brings the table's columns up to the contract, before the transaction, which takes no DDL. A missing table is made,
 * empty; new nullable columns are added. Any other difference is refused, unless all rows are replaced: then the table
 * is set aside and another takes its place, and readers see it empty, and for a moment not at all, until the publish.
 */
export async function prepareTable(client: Client, target: Target): Promise<PreparedTable> {
  const name = tableName(target.assetKey);
  const aside = `${quote(target.schema)}.${quote(setAsideName(target.assetKey))}`;
  const nothing = (): Promise<void> => Promise.resolve();
  const describe = (): Promise<void> => comment(client, target, name);
  if (!(await hasTable(client, target.schema, target.table))) {
    await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(target.schema)}`);
    await client.run(`CREATE TABLE IF NOT EXISTS ${name} (${columnDefinitions(target)})`);
    // Left by a process that was killed between the renaming and the publish.
    const published = async (): Promise<void> => {
      await client.run(`DROP TABLE IF EXISTS ${aside}`);
      await describe();
    };
    return { published, failed: nothing };
  }
  const { added, differences } = compare(await columnsOf(client, target), target.columns);
  if (differences.length === 0) {
    for (const column of added)
      await client.run(`ALTER TABLE ${name} ADD COLUMN ${quote(column.name)} ${columnTypeName(column.type)}`);
    const published = async (): Promise<void> => {
      await client.run(`DROP TABLE IF EXISTS ${aside}`);
      await describe();
    };
    return { published, failed: nothing };
  }
  if (target.strategy.kind !== "replace") {
    throw new ContractError(
      `${target.assetKey} keeps its table, which is not what the contract says: ${differences.join("; ")}. Nothing was published`,
    );
  }
  await client.run(`DROP TABLE IF EXISTS ${aside}`);
  await client.run(`ALTER TABLE ${name} RENAME TO ${quote(setAsideName(target.assetKey))}`);
  const back = async (): Promise<void> => {
    await client.run(`DROP TABLE IF EXISTS ${name}`);
    await client.run(`ALTER TABLE ${aside} RENAME TO ${quote(target.table)}`);
  };
  try {
    await client.run(`CREATE TABLE ${name} (${columnDefinitions(target)})`);
  } catch (error) {
    await back();
    throw error;
  }
  const published = async (): Promise<void> => {
    await client.run(`DROP TABLE IF EXISTS ${aside}`);
    await describe();
  };
  return { published, failed: back };
}

interface ActualColumn {
  readonly type: string;
  readonly nullable: boolean;
}

async function columnsOf(client: Client, { schema, table }: Target): Promise<Map<string, ActualColumn>> {
  const { rows } = await client.text({
    text: `SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0`,
    parameters: [schema, table],
  });
  return new Map(rows.map(([name, type, notNull]) => [name ?? "", { type: type ?? "", nullable: notNull !== "t" }]));
}

function compare(
  actual: Map<string, ActualColumn>,
  columns: readonly Column[],
): { readonly added: readonly Column[]; readonly differences: readonly string[] } {
  const added: Column[] = [];
  const differences: string[] = [];
  for (const column of columns) {
    const name = JSON.stringify(column.name);
    const found = actual.get(column.name);
    const type = columnTypeName(column.type);
    if (found === undefined) {
      if (column.nullable) added.push(column);
      else differences.push(`column ${name} is new and not nullable`);
    } else if (found.type !== type) {
      differences.push(`column ${name} is ${found.type}, the contract says ${type}`);
    } else if (column.nullable && !found.nullable) {
      differences.push(`column ${name} is NOT NULL, which Hyper cannot change, and the contract allows NULLs`);
    } else if (!column.nullable && found.nullable) {
      differences.push(`column ${name} holds NULLs, the contract allows none`);
    }
    actual.delete(column.name);
  }
  for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  return { added, differences };
}

/** The descriptions of columns, where other clients see them; a table has none in Hyper. What people wrote stays. */
async function comment(client: Client, { columns }: Target, name: string): Promise<void> {
  for (const { name: column, description } of columns) {
    if (description === null) continue;
    await client.run(`COMMENT ON COLUMN ${name}.${quote(column)} IS ${literal(description)}`);
  }
}
