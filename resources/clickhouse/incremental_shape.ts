import type { Column, ColumnType } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { Statement } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { describeQuery, fits } from "./contract.ts";
import { literal, quote } from "./quote.ts";
import { columnTypeName, fullTypeName } from "./type_names.ts";

/** What the rows of an incremental view are kept in, and how they are read. */
export interface IncrementalShape {
  readonly engine: "SummingMergeTree" | "AggregatingMergeTree";
  /** The columns of the inner table, as CREATE TABLE takes them. */
  readonly definitions: string;
  readonly orderBy: string;
  /** Whether a column of the key may be NULL. */
  readonly isKeyNullable: boolean;
  /** What the inner table is fed with, over a query called `query`. */
  readonly fed: string;
  /** What people read, over the inner table called `parts`. */
  readonly read: string;
  readonly groupBy: string;
}

/** How one column is kept and read. */
interface Part {
  readonly column: Column;
  /** Type that the query yields. */
  readonly type: string;
  /** Puts the parts of one key together; `null` for a column of the key. */
  readonly merge: ((value: string) => string) | null;
  /** Whether the parts are plain numbers, which are added up. */
  readonly isSum: boolean;
}

const STATE = /^AggregateFunction\((?:\d+, )?(\w+)(\([^()]*\))?[,)]/;
const SIMPLE = /^SimpleAggregateFunction\((\w+), /;
const NUMBER = /^(?:Nullable\()?(?:U?Int\d+|Float\d+|Decimal\(\d+, \d+\))\)?$/;

/**
 * Works out how the rows of a query are kept so that later ones can be added: plain numbers in a SummingMergeTree, states
 * in an AggregatingMergeTree, in either case by the asset's key.
 *
 * @throws ContractError with all that is wrong
 */
export async function incrementalShape(
  client: Client,
  statement: Statement,
  target: Pick<Target, "assetKey" | "columns" | "key">,
): Promise<IncrementalShape> {
  const result = await tryIncrementalShape(client, statement, target);
  if (!Array.isArray(result)) return result;
  throw new ContractError(`the SQL of ${target.assetKey} does not yield its contract: ${result.join("; ")}`);
}

/** The same; what is wrong is returned. */
export async function tryIncrementalShape(
  client: Client,
  statement: Statement,
  { columns, key }: Pick<Target, "columns" | "key">,
): Promise<IncrementalShape | string[]> {
  const { types, differences } = await describeQuery(client, statement);
  const parts: Part[] = [];
  for (const column of columns) {
    const type = types.get(column.name);
    types.delete(column.name);
    if (type === undefined) differences.push(`column ${JSON.stringify(column.name)} is missing`);
    else {
      const part = partOf(column, type, key.includes(column.name));
      if (typeof part === "string") differences.push(`column ${JSON.stringify(column.name)} ${part}`);
      else parts.push(part);
    }
  }
  for (const name of types.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  if (differences.length > 0) return differences;

  const keys = parts.filter(({ merge }) => merge === null).map(({ column }) => quote(column.name));
  const groupBy = keys.map((name) => `parts.${name}`).join(", ");
  const merged = parts.map(({ column, merge }) => {
    const value = `parts.${quote(column.name)}`;
    return `${merge === null ? value : merge(value)} AS ${quote(column.name)}`;
  });
  const finalized = await describeQuery(client, {
    text: `SELECT ${merged.join(", ")} FROM (${statement.text}\n) AS parts GROUP BY ${groupBy}`,
    parameters: statement.parameters,
  });
  for (const { column, isSum } of parts) {
    const type = finalized.types.get(column.name) ?? "";
    if (!isSum && !mayBecome(type, column.type))
      finalized.differences.push(
        `column ${JSON.stringify(column.name)} is ${type} when it is put together, expected ${columnTypeName(column.type)}`,
      );
  }
  if (finalized.differences.length > 0) return finalized.differences;

  const isSumming = parts.every(({ merge, isSum }) => merge === null || isSum);
  const definitions = parts.map(({ column: { name }, type, isSum }) => {
    const sum = finalized.types.get(name) ?? type;
    return `${quote(name)} ${!isSum ? type : isSumming ? sum : `SimpleAggregateFunction(sum, ${sum})`}`;
  });
  const fed = parts.map(({ column: { name } }) => `query.${quote(name)} AS ${quote(name)}`);
  if (isSumming) {
    // A SummingMergeTree drops a row whose sums are all 0; a query over the whole source would show it.
    let guard = "_rows";
    while (columns.some(({ name }) => name === guard)) guard = `_${guard}`;
    definitions.push(`${quote(guard)} UInt64`);
    fed.push(`toUInt64(1) AS ${quote(guard)}`);
  }
  return {
    engine: isSumming ? "SummingMergeTree" : "AggregatingMergeTree",
    definitions: definitions.join(", "),
    orderBy: `(${keys.join(", ")})`,
    isKeyNullable: parts.some(({ merge, type }) => merge === null && type.includes("Nullable(")),
    fed: fed.join(", "),
    read: parts
      .map(({ column, merge }) => {
        const value = `parts.${quote(column.name)}`;
        return `${cast(merge === null ? value : merge(value), column)} AS ${quote(column.name)}`;
      })
      .join(", "),
    groupBy,
  };
}

function partOf(column: Column, type: string, isKey: boolean): Part | string {
  const expected = columnTypeName(column.type);
  const wrong = `is ${type}, expected ${expected}: CAST(… AS ${expected})`;
  if (isKey) return fits(type, column.type) ? { column, type, merge: null, isSum: false } : wrong;
  const state = STATE.exec(type);
  if (state !== null) {
    const [, name = "", parameters = ""] = state;
    return { column, type, merge: (value) => `${name}Merge${parameters}(${value})`, isSum: false };
  }
  const simple = SIMPLE.exec(type);
  if (simple !== null) return { column, type, merge: (value) => `${simple[1] ?? ""}(${value})`, isSum: false };
  if (!NUMBER.test(type))
    return `is ${type}, which cannot be added up: make it a part of the key, or yield a state of it, such as anyState(…)`;
  return fits(type, column.type) ? { column, type, merge: (value) => `sum(${value})`, isSum: true } : wrong;
}

/** What an aggregate yields cannot be cast inside of the query, so its wide types may become the contract's, checked. */
function mayBecome(type: string, wanted: ColumnType): boolean {
  const bare = type.replace(/^(?:SimpleAggregateFunction\(\w+, (.*)\))$/s, "$1").replace(/^Nullable\((.*)\)$/s, "$1");
  if (fits(bare, wanted)) return true;
  if (wanted.kind === "int64") return bare === "UInt64";
  return wanted.kind === "decimal" && new RegExp(String.raw`^Decimal\(\d+, ${wanted.scale}\)$`).test(bare);
}

function cast(value: string, column: Column): string {
  const isNumber = ["int32", "int64", "decimal"].includes(column.type.kind);
  return isNumber
    ? `accurateCast(${value}, ${literal(fullTypeName(column))})`
    : `CAST(${value} AS ${fullTypeName(column)})`;
}
