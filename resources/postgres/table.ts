import { ContractError } from "../errors.ts";
import { quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { NotATableError } from "./errors.ts";
import { type LockWait, lockWaiting } from "./lock_wait.ts";
import { columnTypeName } from "./type_names.ts";

/** What has the name of an asset's table. */
export interface Relation {
  readonly oid: string;
  /** As DROP and COMMENT ON call it. */
  readonly kind: "TABLE" | "MATERIALIZED VIEW";
}

/** What has the name of the asset's table; `undefined` before its first publish. @throws NotATableError */
export async function tryGetRelation(
  client: Client,
  { assetKey, schema, table }: Pick<Target, "assetKey" | "schema" | "table">,
): Promise<Relation | undefined> {
  const { rows } = await client.text({
    text: `SELECT c.oid, c.relkind FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    parameters: [schema, table],
  });
  const [oid, kind] = rows[0] ?? [];
  if (typeof oid !== "string") return undefined;
  if (kind === "r" || kind === "p") return { oid, kind: "TABLE" };
  if (kind === "m") return { oid, kind: "MATERIALIZED VIEW" };
  throw new NotATableError(
    `${tableName(assetKey)} is no table (relkind ${kind ?? ""} in pg_class), so its rows cannot be replaced; nothing ` +
      "was published. Rename or drop it, or give the asset another name",
  );
}

/** A table that is not swapped. */
export interface KeptTable {
  readonly oid: string;
  /** Why it stays, for people. */
  readonly why: string;
  readonly locks: LockWait;
}

/**
 * Brings the columns of a table that stays up to the contract: new nullable ones are added, anything else is refused.
 *
 * @throws ContractError with all the differences
 */
export async function addColumns(client: Client, target: Target, { oid, why, locks }: KeptTable): Promise<void> {
  const name = tableName(target.assetKey);
  const { rows } = await client.text(`
    SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull
    FROM pg_catalog.pg_attribute WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped`);
  const actual = new Map(rows.map(([column, type, notNull]) => [column, { type, nullable: notNull !== "true" }]));
  const differences: string[] = [];
  const changes: string[] = [];
  for (const column of target.columns) {
    const found = actual.get(column.name);
    const type = columnTypeName(column.type);
    if (found === undefined) {
      if (column.nullable) changes.push(`ADD COLUMN ${quote(column.name)} ${type}`);
      else differences.push(`column ${JSON.stringify(column.name)} is new and not nullable`);
    } else if (found.type !== type) {
      differences.push(`column ${JSON.stringify(column.name)} is ${found.type ?? ""}, the contract says ${type}`);
    } else if (column.nullable && !found.nullable) {
      changes.push(`ALTER COLUMN ${quote(column.name)} DROP NOT NULL`);
    } else if (!column.nullable && found.nullable) {
      differences.push(`column ${JSON.stringify(column.name)} holds NULLs, the contract allows none`);
    }
    actual.delete(column.name);
  }
  for (const column of actual.keys()) differences.push(`column ${JSON.stringify(column)} is not in the contract`);
  if (differences.length > 0) {
    throw new ContractError(
      `${target.assetKey} keeps its table (${why}), which is not what the contract says: ${differences.join("; ")}. ` +
        "Nothing was published. Change the table by hand, or drop what keeps it",
    );
  }
  if (changes.length === 0) return;
  await lockWaiting(client, name, [`LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`], locks);
  await client.run(`ALTER TABLE ${name} ${changes.join(", ")}`);
}
