import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import { isoText } from "../instant_text.ts";
import type { Parameter } from "../render_sql.ts";

/** Characters that the text format of COPY escapes, and NUL, which PostgreSQL cannot keep. */
const SPECIAL = /[\\\n\r\t\0]/;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** NULL in the text format of COPY. */
export const COPY_NULL = "\\N";

/**
 * How a validated value of a column, never `null`, becomes text for COPY.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
 */
export function toCopyText(column: Column): (value: never) => string {
  switch (column.type.kind) {
    case "string":
      return (value: string) => copyText(value, column.name);
    case "int32":
    case "int64":
    case "decimal":
      return (value: number | bigint | string) => String(value);
    case "float64":
      return (value: number) => (Object.is(value, -0) ? "-0" : String(value));
    case "boolean":
      return (value: boolean) => (value ? "t" : "f");
    case "timestamp":
      return (value: Date) => instantText(value);
    case "date":
      return (value: string) => value;
    case "json":
      return (value: unknown) => copyText(JSON.stringify(value), column.name);
  }
}

/**
 * Text, escaped for COPY.
 *
 * @throws ContractError for NUL characters
 */
export function copyText(text: string, column: string): string {
  if (!SPECIAL.test(text)) return text;
  if (text.includes("\0")) {
    throw new ContractError(
      `column ${JSON.stringify(column)}: PostgreSQL keeps no NUL character in a text; nothing was published. ` +
        `Remove it in the body, or let the contract refuse such rows: z.string().regex(/^[^\\0]*$/)`,
    );
  }
  return text.replaceAll(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character);
}

/** PostgreSQL counts no year 0, and writes years before Christ and of five digits otherwise than ISO 8601. */
function instantText(value: Date): string {
  const text = isoText(value);
  const year = value.getUTCFullYear();
  if (year >= 1 && year <= 9999) return text;
  const rest = text.slice(text.indexOf("-", 1));
  return year > 9999 ? `${year}${rest}` : `${String(1 - year).padStart(4, "0")}${rest} BC`;
}

/** A bound value as the driver takes it, and the type that its placeholder is cast to; `null`: none, it stays bare. */
export function toParameter(value: Parameter): { readonly text: string | null; readonly type: string | null } {
  if (value === null) return { text: null, type: null };
  if (value instanceof Date) {
    return { text: instantText(value), type: "timestamp with time zone" };
  }
  switch (typeof value) {
    case "string":
      return { text: value, type: null };
    case "boolean":
      return { text: String(value), type: "boolean" };
    case "bigint":
      return { text: String(value), type: "bigint" };
    case "number":
      return Number.isSafeInteger(value)
        ? { text: String(value), type: "bigint" }
        : { text: String(value), type: "double precision" };
    default:
      throw new TypeError(`no parameter can be a ${typeof value}`);
  }
}
