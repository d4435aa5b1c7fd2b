import type { ColumnType } from "../../definitions/column_type.ts";
import type { CheckSyntax } from "../check_rules.ts";
import { clickhouseDialect } from "./dialect.ts";
import { BUCKET_SYNTAX } from "./inspect.ts";
import { literal, quote, tableName } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** How ClickHouse writes the rules of checks. */
export const CLICKHOUSE_CHECKS: CheckSyntax = {
  quote,
  tableName,
  dialect: clickhouseDialect,
  typed: (placeholder, type) => `CAST(${placeholder} AS ${columnTypeName(type)})`,
  // The engine tells values apart by their bits, where it groups them or looks for them: 0 and -0, one NaN and another.
  compared: (name, { kind }) => (kind === "float64" ? `if(isNaN(${name}), nan, ${name} + 0)` : name),
  // NaN is neither below nor above anything.
  isNaN: (name) => `isNaN(${name})`,
  epoch: BUCKET_SYNTAX.epoch,
  // As everywhere else, a dot is no line end; \z is the end of the text, not of a line.
  fullMatch: (name, pattern) => `match(toString(${name}), ${literal(`(?-s)\\A(?:${pattern})\\z`)})`,
  length: (name) => `lengthUTF8(${name})`,
  countIf: (condition) => `countIf(${condition})`,
  // Of no rows the engine says 1970.
  greatest: (name, condition) => `maxOrNullIf(${name}, ${condition})`,
  summand,
  isMissing: (name, table, column) => `${name} NOT IN (SELECT ${column} FROM ${table} WHERE ${column} IS NOT NULL)`,
  sample: ({ text, parameters }, limit) => ({
    text: `SELECT * FROM (${text}\n) AS sampled LIMIT ${limit}`,
    parameters,
  }),
};

/** The engine lets sums overflow in silence. */
function summand(name: string, type: ColumnType | null): string {
  switch (type?.kind) {
    case "int32":
    case "int64":
      return `toInt256(${name})`;
    case "decimal":
      return `CAST(${name} AS Decimal(76, ${type.scale}))`;
    default:
      return name;
  }
}
