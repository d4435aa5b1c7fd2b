import type { Sql, SqlValue } from "../definitions/sql.ts";

/** A value bound to a statement. */
export type Parameter = string | number | bigint | boolean | Date | null;

/** SQL text with its bound values. */
export interface Statement {
  readonly text: string;
  readonly parameters: readonly Parameter[];
}

/** How one store writes what stands between the braces of a template. */
export interface Dialect {
  readonly table: (assetKey: string) => string;
  readonly column: (name: string) => string;
  /** The placeholder of the parameter with this index, counted from 1. */
  readonly parameter: (index: number, value: Parameter) => string;
  /** The staged rows, where there are some. */
  readonly self: string | null;
  readonly window: { readonly start: Date; readonly end: Date } | null;
}

/** Writes a template as a statement: references become quoted names, values become parameters. */
export function renderSql(sql: Sql, dialect: Dialect): Statement {
  const parameters: Parameter[] = [];
  const bind = (value: Parameter): string => {
    // It has no form in UTF-8: another text would reach the store.
    if (typeof value === "string" && !value.isWellFormed())
      throw new TypeError("a text that the SQL binds is not well-formed Unicode");
    parameters.push(value);
    return dialect.parameter(parameters.length, value);
  };
  const one = (value: SqlValue): string => {
    if (value === null || typeof value !== "object" || value instanceof Date) return bind(value);
    switch (value.kind) {
      case "table":
        return dialect.table(value.assetKey);
      case "column":
        return dialect.column(value.column);
      case "self":
        if (dialect.self === null) throw new TypeError("self stands for the staged rows: use it in checks only");
        return dialect.self;
      case "window":
        if (dialect.window === null) throw new TypeError("the SQL asks for a window, but this run has none");
        return bind(dialect.window[value.bound]);
      case "keys":
        throw new TypeError("the SQL asks for keys, but this run has none");
      case "cursor":
        throw new TypeError("the SQL asks for a cursor, but this asset has none");
      case "sql":
        return template(value);
      default:
        throw new TypeError(`the SQL holds a value that is neither a reference nor a plain value: ${String(value)}`);
    }
  };
  const template = ({ strings, values }: Sql): string =>
    strings.map((text, index) => (index === 0 ? text : one(values[index - 1] as SqlValue) + text)).join("");
  // A semicolon at the end is a habit; it would end the statement that the text becomes a part of. Blank lines at the
  // start stay, so that the engine counts lines as the file does.
  return { text: template(sql).replace(/[\s;]+$/, ""), parameters };
}

/** Keys of the assets whose tables a template names. */
export function tablesOf({ values }: Sql): Set<string> {
  const keys = new Set<string>();
  for (const value of values) {
    if (value === null || typeof value !== "object" || value instanceof Date) continue;
    if (value.kind === "table") keys.add(value.assetKey);
    if (value.kind === "sql") for (const key of tablesOf(value)) keys.add(key);
  }
  return keys;
}
