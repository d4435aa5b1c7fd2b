import type { Check } from "./check.ts";
import type { Column } from "./column_type.ts";
import { isDay } from "./schedule_text.ts";
import { DAGSTER_NAME } from "./validate_options.ts";
import type { Add } from "./validate.ts";

/** What is wrong with a check, as far as it shows without an engine: the SQL of a check is proven with the manifest. */
export function checkRule({ name, rule, columns: names }: Check, columns: readonly Column[], add: Add): void {
  const bad = (message: string): void => {
    add("bad_option", `check ${name}: ${message}`);
  };
  if (!DAGSTER_NAME.test(name)) bad("a name has letters, digits and underscores only");
  const column = columns.find((one) => one.name === names[0]);
  const fits = (what: string, value: number | string | null): void => {
    if (value !== null && column !== undefined && !isValueOf(column, String(value)))
      bad(`${what} ${JSON.stringify(value)} is no value of column ${column.name}, which is ${describe(column)}`);
  };
  switch (rule.kind) {
    case "between":
      if (rule.min === null && rule.max === null) bad("expected min, max or both");
      fits("min", rule.min);
      fits("max", rule.max);
      requireOrder(rule, bad);
      break;
    case "row_count":
      if (rule.min === null && rule.max === null) bad("expected min, max or both");
      for (const bound of [rule.min, rule.max]) {
        if (bound !== null && !(Number.isSafeInteger(bound) && bound >= 0))
          bad(`expected whole numbers of 0 or more, got ${bound}`);
      }
      requireOrder(rule, bad);
      break;
    case "accepted_values":
      if (rule.values.length === 0) bad("expected at least one value");
      for (const value of rule.values) fits("value", value);
      break;
    case "matches":
      if (rule.pattern.includes("\0")) bad("a pattern holds no NUL character: write \\x00");
      break;
    case "unique":
    case "not_null":
      if (names.length === 0) bad("expected at least one column");
      break;
    case "references":
    case "sql":
      break;
  }
}

function requireOrder(
  { min, max }: { readonly min: number | string | null; readonly max: number | string | null },
  bad: (message: string) => void,
): void {
  if (typeof min === "number" && typeof max === "number" && min > max) bad(`min ${min} is above max ${max}`);
}

const INTEGER = /^-?\d{1,38}$/;
const NUMBER = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** Whether a text is a value of the column without being rounded: a rounded bound would let wrong rows pass. */
function isValueOf({ type }: Column, text: string): boolean {
  switch (type.kind) {
    case "int32":
    case "int64":
      return INTEGER.test(text);
    case "float64":
      return NUMBER.test(text);
    case "decimal": {
      const [, whole = "", fraction = ""] = /^-?(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
      return (
        whole !== "" &&
        whole.replace(/^0+/, "").length <= type.precision - type.scale &&
        fraction.replace(/0+$/, "").length <= type.scale
      );
    }
    case "boolean":
      return text === "true" || text === "false";
    case "date":
      return isDay(text);
    case "timestamp":
      return INSTANT.test(text) && isDay(text.slice(0, 10));
    case "string":
    case "json":
      return !text.includes("\0");
  }
}

function describe({ type }: Column): string {
  return type.kind === "decimal" ? `decimal(${type.precision}, ${type.scale})` : type.kind;
}
