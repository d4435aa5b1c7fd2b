import { type CheckSyntax, countOf, greatestOf, notExists } from "../check_rules.ts";
import { hyperDialect } from "./dialect.ts";
import { literal, quote, tableName } from "../quote.ts";
import { columnTypeName } from "./type_names.ts";

/** How Hyper writes the rules of checks. */
export const HYPER_CHECKS: CheckSyntax = {
  quote,
  tableName,
  dialect: hyperDialect,
  typed: (placeholder, type) => `CAST(${placeholder} AS ${columnTypeName(type)})`,
  // JSON has no order and no equality; its text has.
  compared: (name, type) => (type.kind === "json" ? `CAST(${name} AS text)` : name),
  epoch: (name) => `extract(epoch FROM ${name})`,
  countIf: countOf,
  greatest: greatestOf,
  isMissing: notExists,
  length: (name) => `char_length(${name})`,
  summand: (name, type) =>
    type?.kind === "int32" || type?.kind === "int64" ? `CAST(${name} AS numeric(38, 0))` : name,
  isNaN: (name) => `${name} = CAST('NaN' AS double precision)`,
  // Hyper takes RE2, but lets a dot match a line break, which no other store does.
  fullMatch: (name, pattern) => `CAST(${name} AS text) ~ ${literal(`^(?-s:${pattern})$`)}`,
  // The protocol brings text already.
  sample: ({ text, parameters }, limit) => ({ text: `SELECT * FROM (${text}\n) AS sample LIMIT ${limit}`, parameters }),
};
