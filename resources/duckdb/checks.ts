import { type CheckSyntax, countOf, greatestOf, notExists } from "../check_rules.ts";
import { duckdbDialect } from "./dialect.ts";
import { literal, quote, tableName } from "../quote.ts";
import { columnTypeName } from "./type_names.ts";

/** How DuckDB writes the rules of checks. */
export const DUCKDB_CHECKS: CheckSyntax = {
  quote,
  tableName,
  dialect: duckdbDialect,
  typed: (placeholder, type) => `CAST(${placeholder} AS ${columnTypeName(type)})`,
  compared: (name) => name,
  isNaN: (name) => `isnan(${name})`,
  // The pattern must be a constant for DuckDB to compile it once, so it stands as a literal.
  epoch: (name) => `epoch(CAST(${name} AS TIMESTAMP WITH TIME ZONE))`,
  countIf: countOf,
  greatest: greatestOf,
  isMissing: notExists,
  length: (name) => `length(${name})`,
  // The engine adds integers and decimals up in 128 bits, and refuses to overflow.
  summand: (name) => name,
  fullMatch: (name, pattern) => `regexp_full_match(CAST(${name} AS VARCHAR), ${literal(pattern)})`,
  sample: ({ text, parameters }, limit) => ({
    text: `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (SELECT * FROM (${text}\n) AS bad LIMIT ${limit}) AS sample`,
    parameters,
  }),
};
