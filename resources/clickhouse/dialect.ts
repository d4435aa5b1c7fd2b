import type { Dialect, Parameter, Statement } from "../render_sql.ts";
import { literal, quote, tableName } from "./quote.ts";
import { toParameter } from "./types.ts";

/** How ClickHouse writes references and parameters. */
export function clickhouseDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { table: tableName, column: quote, parameter, ...context };
}

/** `{p1:String}`: the server reads the value as this type, never as SQL. */
export function parameter(index: number, value: Parameter): string {
  return value === null ? "NULL" : `{p${index}:${toParameter(value).type}}`;
}

/** The values of a statement's placeholders. */
export function parameterValues({ parameters }: Pick<Statement, "parameters">): Record<string, string> {
  return Object.fromEntries(
    parameters.flatMap((value, index) => (value === null ? [] : [[`p${index + 1}`, toParameter(value).value]])),
  );
}

/** Adds a parameter and returns its placeholder. */
export type Bind = (value: Parameter) => string;

/** Builds a statement together with its parameters. */
export function bound(build: (bind: Bind) => string): Statement {
  const parameters: Parameter[] = [];
  const text = build((value) => parameter(parameters.push(value), value));
  return { text, parameters };
}

/** How definitions are written, which take no parameters: values stand in them as literals of the same types. */
export function literalDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { ...clickhouseDialect(context), parameter: (_index, value) => literalValue(value) };
}

function literalValue(given: Parameter): string {
  if (given === null) return "NULL";
  const { value, type } = toParameter(given);
  return `CAST(${literal(value)} AS ${type})`;
}
