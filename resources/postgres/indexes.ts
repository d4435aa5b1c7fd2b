import { createHash } from "node:crypto";
import type { PostgresIndex } from "../../definitions/storage.ts";
import { ContractError, StatementError } from "../errors.ts";
import { literal, quote, tableName } from "../quote.ts";
import { renderSql } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { postgresDialect } from "./dialect.ts";
import { DuplicateKeyError } from "./errors.ts";
import { freeName, objectName, relationNames } from "./index_names.ts";
import type { Relation } from "./table.ts";

/** An index that an asset declares. */
export interface DeclaredIndex {
  /** `undefined`: made of the table's and the columns' names. */
  readonly name: string | undefined;
  readonly columns: readonly string[];
  readonly unique: boolean;
  /** What stands behind the table in CREATE INDEX. */
  readonly definition: string;
  /** Its comment: by it an index is known to be ours, and made of this very definition. */
  readonly mark: string;
}

/** The indexes of an asset's table or materialised view; the view's key is one of them. */
export function declaredIndexes(target: Target, kind: Relation["kind"]): DeclaredIndex[] {
  const declared = (target.storage.postgres?.indexes ?? []).map((index) => declare(target, index));
  if (kind === "TABLE") return declared;
  const isThere = declared.some((index) => isKeyIndex(target, index));
  return isThere ? declared : [...declared, keyIndex(target)];
}

/** In a key NULL is a value as any other. */
function keyIndex(target: Target): DeclaredIndex {
  const isNullable = target.columns.some(({ name, nullable }) => nullable && target.key.includes(name));
  return declare(target, { columns: target.key, unique: true }, isNullable ? ["NULLS NOT DISTINCT"] : []);
}

/** Whether an index is what a concurrent refresh asks for: unique, on the key, of all rows. */
export function isKeyIndex(target: Target, { unique, definition }: DeclaredIndex): boolean {
  return (
    unique && [declare(target, { columns: target.key }), keyIndex(target)].some((key) => key.definition === definition)
  );
}

function declare(target: Target, index: PostgresIndex, nulls: readonly string[] = []): DeclaredIndex {
  const { columns, name, unique = false, include = [], where, method } = index;
  const condition = where === undefined ? undefined : renderSql(where, postgresDialect({ self: null, window: null }));
  const definition = [
    `USING ${method ?? "btree"} (${columns.map(quote).join(", ")})`,
    ...(include.length === 0 ? [] : [`INCLUDE (${include.map(quote).join(", ")})`]),
    ...nulls,
    // On lines of its own: it may end with a comment.
    ...(condition === undefined ? [] : [`WHERE (${condition.text}\n)`]),
  ].join(" ");
  const digest = createHash("sha256")
    .update(JSON.stringify([name, unique, definition]))
    .digest("hex")
    .slice(0, 12);
  const mark = `${MARK}${target.assetKey} (${digest})`;
  return { name, columns: [...columns, ...include], unique, definition, mark };
}

const MARK = "Declared by ";

/** An index of a relation as it is. */
interface PresentIndex {
  readonly name: string;
  readonly comment: string;
  /** What it needs of the table, in its conditions too. */
  readonly columns: readonly string[];
}

/** How the indexes that an asset declares differ from those that are there. */
export interface IndexPlan {
  /** What is to be made, under which name. */
  readonly missing: readonly { readonly name: string; readonly index: DeclaredIndex }[];
  /** What is to be made where the table is made anew, in place of an index of the same name and another definition. */
  readonly replacements: readonly { readonly name: string; readonly index: DeclaredIndex }[];
  /** Ours, declared no more, on columns that the contract has no more: they go where the table is made anew. */
  readonly lost: readonly string[];
  /** What people should know. */
  readonly notes: readonly string[];
}

/** @throws ContractError for a name that something else has */
export async function planIndexes(
  client: Client,
  target: Target,
  declared: readonly DeclaredIndex[],
  oid: string,
): Promise<IndexPlan> {
  const present = await presentIndexes(client, oid);
  const left = new Map(present.map((index) => [index.name, index]));
  const notes: string[] = [];
  const missing: { name: string; index: DeclaredIndex }[] = [];
  const replacements: { name: string; index: DeclaredIndex }[] = [];
  const absent = declared.filter(({ mark }) => {
    const found = [...left.values()].find(({ comment }) => comment === mark);
    if (found !== undefined) left.delete(found.name);
    return found === undefined;
  });
  const taken = absent.length === 0 ? new Set<string>() : await relationNames(client, target.schema);
  for (const index of absent) {
    const name = index.name ?? nameOf(target, index, "idx");
    const found = left.get(name);
    left.delete(name);
    if (found?.comment.startsWith(MARK) === true) {
      replacements.push({ name, index });
    } else if (found !== undefined && index.name !== undefined) {
      notes.push(`Index ${name} is there and not made by ${target.assetKey}: it stays as it is`);
    } else if (index.name === undefined) {
      const free = freeName(
        (one) => taken.has(one),
        (label) => nameOf(target, index, label),
      );
      taken.add(free);
      missing.push({ name: free, index });
    } else if (taken.has(name)) {
      throw new ContractError(
        `${target.assetKey}: storage.postgres.indexes: something else in the schema ${target.schema} is called ${name}; ` +
          "nothing was published. Give the index another name",
      );
    } else {
      taken.add(name);
      missing.push({ name, index });
    }
  }
  const lost: string[] = [];
  for (const { name, comment, columns } of left.values()) {
    if (!comment.startsWith(MARK)) continue;
    if (columns.every((column) => target.columns.some((one) => one.name === column)))
      notes.push(`Index ${name} is not declared any more: it stays until somebody drops it`);
    else lost.push(name);
  }
  return { missing, replacements, lost, notes };
}

function nameOf({ table }: Target, { columns }: DeclaredIndex, label: string): string {
  return objectName(table, columns.join("_"), label);
}

/** The statement that makes an index. */
export function indexStatement({ unique, definition }: DeclaredIndex, name: string, relation: string): string {
  return `CREATE ${unique ? "UNIQUE " : ""}INDEX ${quote(name)} ON ${relation} ${definition}`;
}

/**
 * Makes an index with its mark.
 *
 * @param as.name Its name for now, where it is not yet the final one.
 * @throws ContractError that names the index, where the rows or the engine refuse it
 */
export async function createIndex(
  client: Client,
  target: Target,
  { name, index }: IndexPlan["missing"][number],
  as: { readonly name: string; readonly schema: string; readonly relation: string },
): Promise<void> {
  try {
    await client.run(indexStatement(index, as.name, as.relation));
  } catch (error) {
    if (error instanceof DuplicateKeyError) throw duplicateKey(target, error, name);
    if (!(error instanceof StatementError) || error.code !== "statement_failed") throw error;
    const told = error.message.replaceAll(as.name, name);
    throw new ContractError(
      `${target.assetKey}: index ${name} (${index.columns.join(", ")}) cannot be made, nothing was published: ${told}`,
      { cause: error },
    );
  }
  await client.run(`COMMENT ON INDEX ${quote(as.schema)}.${quote(as.name)} IS ${literal(index.mark)}`);
}

/**
 * What is to be said of rows that a unique index refuses.
 *
 * @param name The index, where another one is refused in its place: one of a partition, or one with a name for now.
 */
export function duplicateKey({ assetKey }: Target, error: DuplicateKeyError, name: string): ContractError {
  const told = error.index.name === "" ? error.message : error.message.replaceAll(error.index.name, name);
  return new ContractError(`${assetKey}: the rows break a unique index; nothing was published: ${told}`, {
    cause: error,
  });
}

/** The name of the table's index to which that of a partition belongs; its own where it belongs to none. */
export async function tableIndexOf(client: Client, { schema, name }: DuplicateKeyError["index"]): Promise<string> {
  const { rows } = await client.text({
    text: `
      WITH RECURSIVE up (oid) AS (
        SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2
        UNION SELECT inhparent FROM up JOIN pg_catalog.pg_inherits ON inhrelid = up.oid)
      SELECT relname FROM up JOIN pg_catalog.pg_class AS c ON c.oid = up.oid
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = up.oid)`,
    parameters: [schema, name],
  });
  return rows[0]?.[0] ?? name;
}

/** Makes the declared indexes that a table lacks, where it stays, and tells the log of other differences. */
export async function addIndexes(
  client: Client,
  target: Target,
  { oid, kind }: Relation,
  log: (message: string) => void,
): Promise<void> {
  const { missing, replacements, notes } = await planIndexes(client, target, declaredIndexes(target, kind), oid);
  for (const index of missing) {
    const { name } = index;
    await createIndex(client, target, index, { name, schema: target.schema, relation: tableName(target.assetKey) });
  }
  for (const note of notes) log(note);
  for (const { name } of replacements)
    log(`Index ${name} is declared otherwise now: it is made anew when the table is, or after DROP INDEX`);
}

async function presentIndexes(client: Client, oid: string): Promise<PresentIndex[]> {
  const { rows } = await client.text(`
    SELECT i.relname, pg_catalog.obj_description(i.oid, 'pg_class'), (
      SELECT jsonb_agg(DISTINCT attname) FROM pg_catalog.pg_depend JOIN pg_catalog.pg_attribute
        ON attrelid = refobjid AND attnum = refobjsubid
      WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = i.oid
        AND refclassid = 'pg_catalog.pg_class'::regclass AND refobjid = ${oid})
    FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid WHERE indrelid = ${oid}`);
  return rows.map(([name, comment, columns]) => ({
    name: name ?? "",
    comment: comment ?? "",
    columns: JSON.parse(columns ?? "[]") as string[],
  }));
}
