import type { Column, ColumnType } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { Statement } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { literal, quote } from "./quote.ts";
import { columnTypeName, fullTypeName } from "./type_names.ts";

/** The columns of a table, as CREATE TABLE takes them. */
export function columnDefinitions(
  columns: readonly Column[],
  codecs: { readonly [column: string]: string | undefined } = {},
): string {
  return columns
    .map((column) => {
      const codec = codecs[column.name];
      const compressed = codec === undefined ? "" : ` CODEC(${codec})`;
      return `${quote(column.name)} ${fullTypeName(column)}${comment(column)}${compressed}`;
    })
    .join(", ");
}

function comment({ description }: Column): string {
  return description === null ? "" : ` COMMENT ${literal(description)}`;
}

/** The columns' quoted names, in the order of the contract. */
export function columnNames({ columns }: Pick<Target, "columns">): string {
  return columns.map(({ name }) => quote(name)).join(", ");
}

/**
 * Refuses a query whose columns are not the contract's: names and types, in any order.
 *
 * @throws ContractError with all the differences
 */
export async function requireContract(
  client: Client,
  statement: Statement,
  target: Pick<Target, "assetKey" | "columns">,
): Promise<void> {
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
  const { types: actual, differences } = await describeQuery(client, { text, parameters });
  if (columns === null) return [];
  for (const { name, type } of columns) {
    const expected = columnTypeName(type);
    const got = actual.get(name);
    if (got === undefined) differences.push(`column ${JSON.stringify(name)} is missing`);
    else if (!fits(got, type))
      differences.push(`column ${JSON.stringify(name)} is ${got}, expected ${expected}: CAST(… AS ${expected})`);
    actual.delete(name);
  }
  for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
  return differences;
}

/** The columns that a query yields; `differences` names those that are there twice. */
export async function describeQuery(
  client: Client,
  { text, parameters }: Statement,
): Promise<{ readonly types: Map<string, string>; readonly differences: string[] }> {
  const { rows } = await client.text({ text: `DESCRIBE TABLE (${text}\n)`, parameters });
  const types = new Map<string, string>();
  const differences: string[] = [];
  for (const [name = "", type] of rows) {
    if (types.has(name ?? "")) differences.push(`column ${JSON.stringify(name)} is there twice`);
    types.set(name ?? "", type ?? "");
  }
  return { types, differences };
}

/** The narrow types that ClickHouse gives to literals, counts and `date_trunc`; all their values are of the contract's type. */
const NARROWER: Readonly<Partial<Record<ColumnType["kind"], ReadonlySet<string>>>> = {
  int32: new Set(["Int8", "Int16", "UInt8", "UInt16"]),
  int64: new Set(["Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32"]),
  float64: new Set(["Float32"]),
  timestamp: new Set(["DateTime('UTC')", ...[0, 1, 2, 3, 4, 5].map((digits) => `DateTime64(${digits}, 'UTC')`)]),
  date: new Set(["Date"]),
};

/** Whether a column of this type goes into one of the contract's type without loss. NULL shows only on values. */
export function fits(got: string, type: ColumnType): boolean {
  let bare = got;
  for (let inner = unwrap(bare); inner !== undefined; inner = unwrap(bare)) bare = inner;
  return bare === columnTypeName(type) || NARROWER[type.kind]?.has(bare) === true;
}

function unwrap(type: string): string | undefined {
  return /^(?:Nullable|LowCardinality)\((.*)\)$/s.exec(type)?.[1];
}

/** Values that the engine lets pass and the contract does not: texts that are no documents, decimals of too many digits. */
export interface ValueRule {
  /** The condition that holds for a row with one. */
  readonly bad: string;
  /** @param count How many rows there are. */
  readonly say: (count: string) => string;
}

/** The rules for the values of a contract's columns. */
export function valueRules({ columns }: Pick<Target, "columns">): ValueRule[] {
  return columns.flatMap(({ name, type }) => {
    const column = quote(name);
    const rule = (bad: string, what: string): ValueRule[] => [
      { bad, say: (count) => `column ${JSON.stringify(name)} holds ${count} ${what}` },
    ];
    if (type.kind === "json") return rule(noDocument(column), "texts that are no JSON");
    if (type.kind !== "decimal") return [];
    const { precision, scale } = type;
    const limit = `${"9".repeat(precision - scale) || "0"}${scale === 0 ? "" : `.${"9".repeat(scale)}`}`;
    return rule(`abs(${column}) > CAST('${limit}' AS ${columnTypeName(type)})`, `numbers beyond ${limit}`);
  });
}

/**
 * The condition that holds for a text that is no document. The engine says so of numbers, too, that are beyond its own
 * types; so where it does, the digits of such are cut before it is asked again: the first one stays, as none but 0 itself
 * begins with 0, and three are left for an escape before them.
 */
function noDocument(column: string): string {
  const cut = String.raw`replaceRegexpAll(replaceRegexpAll(${column}, '([0-9])[0-9]{16,}', '\1111'), '([eE][+-]?)[0-9]{3,}', '\1111')`;
  return `NOT isValidJSON(${column}) AND NOT isValidJSON(${cut})`;
}

/**
 * Refuses rows that break one of the rules.
 *
 * @param counts Of the rows that break each.
 * @throws ContractError
 */
export function requireNone(
  rules: readonly ValueRule[],
  counts: readonly (string | null)[],
  { assetKey }: Pick<Target, "assetKey">,
): void {
  const broken = rules.flatMap(({ say }, index) => {
    const count = counts[index] ?? "0";
    return count === "0" ? [] : [say(count)];
  });
  if (broken.length > 0) throw new ContractError(`${assetKey}: ${broken.join("; ")}. Nothing was published`);
}

/** @throws ContractError for values that the contract does not allow */
export async function requireValues(
  client: Client,
  target: Pick<Target, "assetKey" | "columns">,
  table: string,
): Promise<void> {
  const rules = valueRules(target);
  if (rules.length === 0) return;
  const { rows } = await client.text(`SELECT ${rules.map(({ bad }) => `countIf(${bad})`).join(", ")} FROM ${table}`);
  requireNone(rules, rows[0] ?? [], target);
}
