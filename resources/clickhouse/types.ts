import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import { isoText } from "../instant_text.ts";
import type { Parameter } from "../render_sql.ts";

/** Date32 and DateTime64 keep these years; beyond them ClickHouse would silently take the nearest it has. */
const FIRST_YEAR = "1900";
const LAST_YEAR = "2299";

/**
 * From 2001-09-09 01:46:40 to 2286, DateTime64(6) also reads the microseconds since 1970 as one number, and quicker: they
 * have 16 digits. Fewer would be seconds, and more are refused.
 */
const [FIRST_NUMBER_MS, END_NUMBER_MS] = [1e12, 1e13];

/** An instant as ClickHouse reads it: `2017-01-02 03:04:05.678`. */
export function instantText(value: Date): string {
  const iso = isoText(value);
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}`;
}

/** NULL in the format TabSeparated. */
export const TEXT_NULL = "\\N";

/** What the format TabSeparated takes for the end of a value, or of the escape before it. */
const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * How a validated value of a column, never `null`, is written in the format TabSeparated.
 *
 * @see https://clickhouse.com/docs/interfaces/formats/TabSeparated
 */
export function toText(column: Column): (value: never) => string {
  switch (column.type.kind) {
    case "string":
      return (value: string) => escaped(value);
    case "int32":
    case "int64":
      return (value: number | bigint) => String(value);
    case "float64":
      // JavaScript's String(-0) is "0".
      return (value: number) => (Object.is(value, -0) ? "-0" : String(value));
    case "boolean":
      return (value: boolean) => (value ? "true" : "false");
    case "decimal":
      return (value: string) => value;
    case "timestamp":
      return (value: Date) => {
        const ms = value.getTime();
        return ms >= FIRST_NUMBER_MS && ms < END_NUMBER_MS ? `${ms}000` : inRange(column, instantText(value));
      };
    case "date":
      return (value: string) => inRange(column, value);
    case "json":
      return (value: unknown) => escaped(JSON.stringify(value));
  }
}

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (found) => ESCAPES[found] ?? found) : text;
}

function inRange(column: Column, text: string): string {
  // Years with a sign or more than four digits sort outside, too.
  if (text >= FIRST_YEAR && text < String(Number(LAST_YEAR) + 1) && text[4] === "-") return text;
  throw new ContractError(
    `column ${JSON.stringify(column.name)}: ${text} is outside of ${FIRST_YEAR} to ${LAST_YEAR}, which is all that ClickHouse keeps`,
  );
}

/** A bound value and its type; `null` is written as NULL instead. */
export function toParameter(value: Exclude<Parameter, null>): { readonly value: string; readonly type: string } {
  if (value instanceof Date) return { value: instantText(value), type: "DateTime64(6, 'UTC')" };
  switch (typeof value) {
    case "string":
      return { value, type: "String" };
    case "boolean":
      return { value: String(value), type: "Bool" };
    case "bigint":
      return { value: String(value), type: value >= -(2n ** 63n) && value < 2n ** 63n ? "Int64" : "Int256" };
    case "number":
      return { value: String(value), type: Number.isSafeInteger(value) ? "Int64" : "Float64" };
    default:
      throw new TypeError(`no parameter can be a ${typeof value}`);
  }
}
