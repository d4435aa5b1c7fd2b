import type { Dialect, Parameter } from "../render_sql.ts";
import { literal, quote, tableName } from "../quote.ts";
import { toParameter } from "./types.ts";

/** How Hyper writes references and parameters. */
export function hyperDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { table: tableName, column: quote, parameter, ...context };
}

/**
 * All parameters are declared as of unknown type, and take the type of what stands next to them. Texts stay bare, so
 * that they can be days, instants and decimals too.
 */
export function parameter(index: number, value: Parameter): string {
  const type = parameterType(value);
  return type === undefined ? `$${index}` : `CAST($${index} AS ${type})`;
}

/** For statements that take no parameters, such as COPY: values are written out. */
export function literalDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { ...hyperDialect(context), parameter: (_index, value) => asLiteral(value) };
}

function asLiteral(value: Parameter): string {
  const text = toParameter(value);
  if (text === null) return "NULL";
  const type = parameterType(value);
  return type === undefined ? literal(text) : `CAST(${literal(text)} AS ${type})`;
}

function parameterType(value: Parameter): string | undefined {
  if (value === null) return undefined;
  if (value instanceof Date) return "timestamptz";
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "bigint":
      return "bigint";
    case "number":
      return Number.isSafeInteger(value) ? "bigint" : "double precision";
    default:
      return undefined;
  }
}
