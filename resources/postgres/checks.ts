import { type CheckSyntax, countOf, greatestOf, notExists } from "../check_rules.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { TextReader } from "../store.ts";
import type { Client } from "./client.ts";
import { postgresDialect } from "./dialect.ts";
import { wholeTextPattern } from "./pattern.ts";
import { columnTypeName } from "./type_names.ts";

/** How PostgreSQL writes the rules of checks. */
export const POSTGRES_CHECKS: CheckSyntax = {
  quote,
  tableName,
  dialect: postgresDialect,
  typed: (placeholder, type) => {
    switch (type.kind) {
      // A cast to the column's own type would round the bound, or refuse it.
      case "int32":
      case "int64":
      case "decimal":
        return `CAST(${placeholder} AS numeric)`;
      case "json":
        return `CAST(${placeholder} AS text)`;
      case "string":
      case "float64":
      case "boolean":
      case "timestamp":
      case "date":
        return `CAST(${placeholder} AS ${columnTypeName(type)})`;
    }
  },
  compared: (name, type) => {
    // By code point as in the other stores, whatever the database's locale is. Documents have no equality.
    if (type.kind === "string") return `${name} COLLATE "C"`;
    return type.kind === "json" ? `CAST(${name} AS text)` : name;
  },
  epoch: (name) => `extract(epoch FROM ${name})`,
  countIf: countOf,
  greatest: greatestOf,
  isMissing: notExists,
  length: (name) => `pg_catalog.char_length(${name})`,
  summand: (name) => name,
  isNaN: (name) => `${name} = 'NaN'`,
  fullMatch: (name, pattern) => `(CAST(${name} AS text) ~ ${literal(wholeTextPattern(pattern))})`,
  sample: ({ text, parameters }, limit) => ({
    text: `SELECT * FROM (${text}\n) AS sample LIMIT ${limit}`,
    parameters,
  }),
};

/** Reads in a transaction that goes on when a query fails, and in which no query of a check can write. */
export function checkReader(client: Client): TextReader {
  return {
    text: (statement) => client.text(statement),
    guard: async (act) => {
      await client.script(["SAVEPOINT checking", "SET LOCAL transaction_read_only = on"]);
      try {
        return await act();
      } finally {
        if (!client.isBroken) await client.script(["ROLLBACK TO SAVEPOINT checking", "RELEASE SAVEPOINT checking"]);
      }
    },
  };
}
