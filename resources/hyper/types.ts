import type { Column } from "../../definitions/column_type.ts";
import { isoText } from "../instant_text.ts";
import type { Parameter } from "../render_sql.ts";

/** How a validated value of a column, never `null`, is written in the text format of COPY. */
export function toCopyText(column: Column): (value: never) => string {
  switch (column.type.kind) {
    case "string":
      return (value: string) => escape(value);
    case "json":
      return (value: unknown) => escape(JSON.stringify(value));
    case "int32":
    case "int64":
    case "float64":
      // JavaScript's String(-0) is "0".
      return (value: number | bigint) => (Object.is(value, -0) ? "-0" : String(value));
    case "boolean":
      return (value: boolean) => (value ? "t" : "f");
    case "timestamp":
      return (value: Date) => instantText(value);
    case "date":
    case "decimal":
      return (value: string) => value;
  }
}

/** The bound value as the protocol takes it: text, for which the statement says the type. */
export function toParameter(value: Parameter): string | null {
  if (value === null) return null;
  return value instanceof Date ? instantText(value) : String(value);
}

/** The characters of COPY's text format that mean something else, and how they are written. */
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;

function escape(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (found) => ESCAPES[found] ?? found) : text;
}

/** ISO 8601, but for years before 1 and after 9999, which SQL writes in its own way. */
function instantText(value: Date): string {
  const text = isoText(value);
  const sign = text.charAt(0);
  if (sign === "+") return text.slice(1).replace("T", " ");
  if (sign !== "-" && !text.startsWith("0000")) return text;
  const year = String(1 - value.getUTCFullYear()).padStart(4, "0");
  return `${year}${text.slice(sign === "-" ? 7 : 4, -1).replace("T", " ")}+00 BC`;
}
