import { literal, quote, tableName } from "../quote.ts";
import type { Dialect, Parameter } from "../render_sql.ts";
import { toParameter } from "./types.ts";

/** How PostgreSQL writes references and parameters. */
export function postgresDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { table: tableName, column: quote, parameter, ...context };
}

/** For statements that take no parameters, such as a view's: values are written out. */
export function definitionDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { ...postgresDialect(context), parameter: (_index, value) => asLiteral(value) };
}

/** Texts stay bare, so that they can be days, instants and decimals too, as what stands next to them says. */
export function parameter(index: number, value: Parameter): string {
  const { type } = toParameter(value);
  return type === null ? `$${index}` : `CAST($${index} AS ${type})`;
}

/** A bound value written out, as the engine would take it; for statements that take no parameters. */
export function asLiteral(value: Parameter): string {
  const { text, type } = toParameter(value);
  const written = text === null ? "NULL" : literal(text);
  return type === null ? written : `CAST(${written} AS ${type})`;
}
