import type { ComparedType, DiffSyntax, Spelling } from "../frozen_tables.ts";
import { quote } from "../quote.ts";
import { parameter } from "./dialect.ts";

/** Bytes of a digest in a checksum; the last four of their 64 bits go. */
const CHECKSUM_BYTES = 8;
const LAST_CHECKSUM = 2n ** 60n - 1n;

/**
 * How Hyper writes what a comparison asks. Its spelling of doubles is its own, as it does not show their bits; so its
 * tables are compared with each other alone.
 */
export const DIFF_SYNTAX: DiffSyntax = {
  quote,
  parameter,
  spell,
  grouped: (name, { kind }) => {
    if (kind === "double") return `CASE WHEN ${name} = 0 THEN 0 ELSE ${name} END`;
    return kind === "json" ? `CAST(${name} AS text)` : name;
  },
  byteLength: (text) => `CAST(octet_length(${text}) AS text)`,
  checksum,
  // It has no other hash than of a text, which the engine computes once, however often the statement names it.
  nativeHash: (columns) =>
    checksum(
      columns
        .map(({ name, type }) => {
          const value = spell(name, type.kind, type);
          return `coalesce(CAST(octet_length(${value}) AS text) || ':' || ${value}, 'NULL')`;
        })
        .join(" || "),
    ),
  nativePosition: (hash) => hash,
  toInt64: (name) => `CAST(${name} AS bigint)`,
  shiftRight: (value, bits) => `(${value}) >> ${bits}`,
  // The sum of many does not fit 64 bits.
  summand: (hash) => `CAST(${hash} AS numeric(38, 0))`,
};

function spell(name: string, spelling: Spelling, type: ComparedType): string {
  const text = `CAST(${name} AS text)`;
  switch (spelling) {
    case "number":
      return type.kind === "decimal" && type.scale !== 0
        ? `CASE WHEN position('.' IN ${text}) = 0 THEN ${text} ELSE rtrim(rtrim(${text}, '0'), '.') END`
        : text;
    case "double": {
      const value = `CAST(${name} AS double precision)`;
      // -0 equals 0, which x + 0 would not make of it. All digits are in the text, as the connection has it.
      return `CASE WHEN ${value} = CAST('NaN' AS double precision) THEN 'nan' WHEN ${value} = 0 THEN '=0' ELSE '=' || CAST(${value} AS text) END`;
    }
    default:
      return text;
  }
}

function checksum(text: string): string {
  const bytes = Array.from(
    { length: CHECKSUM_BYTES },
    (_, index) => `(CAST(get_byte(sha256(${text}), ${index}) AS bigint) << ${8 * (CHECKSUM_BYTES - 1 - index)})`,
  );
  return `(((${bytes.join(" | ")}) >> 4) & ${LAST_CHECKSUM})`;
}
