import type { Dialect, Parameter } from "../render_sql.ts";
import { quote, tableName } from "../quote.ts";
import { toParameter } from "./types.ts";

/** How DuckDB writes references and parameters. */
export function duckdbDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { table: tableName, column: quote, parameter, ...context };
}

/**
 * An expression for the hash of a row, 64 bits without a sign.
 *
 * Hashed twice: the engine puts the hashes of several columns together by little more than an exclusive or, so that sums of
 * them miss values that changed places between two rows.
 *
 * @param names Columns, quoted, with commas in between.
 */
export function rowHash(names: string): string {
  return `hash(hash(${names}))`;
}

/**
 * The engine finds out the type of a bare parameter only next to something that has one. Texts stay bare, so that they
 * can be days, instants and decimals too.
 */
export function parameter(index: number, value: Parameter): string {
  if (value === null || typeof value === "string") return `$${index}`;
  return `CAST($${index} AS ${String(toParameter(value).type)})`;
}
