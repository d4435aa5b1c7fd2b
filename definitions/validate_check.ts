import type { AssetOptions, Shape } from "./asset.ts";
import { type Check, isAboutTable } from "./check.ts";
import type { Column, ColumnType } from "./column_type.ts";
import { tryGetSeconds } from "./duration.ts";
import { isDay } from "./schedule_text.ts";
import { DAGSTER_NAME } from "./validate_options.ts";
import type { Add } from "./validate.ts";

/** The types whose values can be added. */
const NUMBERS: ReadonlySet<ColumnType["kind"]> = new Set(["int32", "int64", "float64", "decimal"]);
/** Of publishes that a drift is measured against, and of failing rows that are kept. */
const MOST = { publishes: 100, keptRows: 10_000 };

/** What is wrong with a check, as far as it shows without an engine: the SQL of a check is proven with the manifest. */
export function checkRule(
  check: Check,
  columns: readonly Column[],
  options: Pick<AssetOptions<Shape>, "partitions" | "write">,
  add: Add,
): void {
  const { name, rule, columns: names, maxShare, keptRows } = check;
  const bad = (message: string): void => {
    add("bad_option", `check ${name}: ${message}`);
  };
  if (!DAGSTER_NAME.test(name)) bad("a name has letters, digits and underscores only");
  const column = columns.find((one) => one.name === names[0]);
  const fits = (what: string, value: number | string | null): void => {
    if (value !== null && column !== undefined && !isValueOf(column, String(value)))
      bad(`${what} ${JSON.stringify(value)} is no value of column ${column.name}, which is ${describe(column)}`);
  };
  const oneOf = (kinds: ReadonlySet<ColumnType["kind"]>, what: string, one: Column | undefined = column): void => {
    if (one !== undefined && !kinds.has(one.type.kind)) bad(`column ${one.name} is ${describe(one)}, expected ${what}`);
  };
  const isTable = isAboutTable(check);
  if (!(maxShare >= 0 && maxShare <= 1)) bad(`allow: expected a share from 0 to 1, got ${maxShare}`);
  else if (isTable && maxShare !== 0) bad("allow: the check is about all rows together, not about a share of them");
  if (!(Number.isSafeInteger(keptRows) && keptRows >= 0 && keptRows <= MOST.keptRows))
    bad(`keepFailedRows: expected a whole number of 1 to ${MOST.keptRows}, got ${keptRows}`);
  else if (isTable && keptRows !== 0) bad("keepFailedRows: the check is about all rows together, so no row fails it");
  switch (rule.kind) {
    case "between":
      if (rule.min === null && rule.max === null) bad("expected min, max or both");
      fits("min", rule.min);
      fits("max", rule.max);
      requireOrder(rule, bad);
      break;
    case "length":
    case "row_count":
      if (rule.kind === "length") oneOf(new Set(["string"]), "text");
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
    case "row_count_drift":
    case "null_rate_drift":
      if (!(Number.isFinite(rule.max) && rule.max >= 0)) bad(`expected a share of 0 or more as max, got ${rule.max}`);
      if (!(Number.isSafeInteger(rule.last) && rule.last > 0 && rule.last <= MOST.publishes))
        bad(`expected 1 to ${MOST.publishes} publishes as last, got ${rule.last}`);
      break;
    case "recent":
      oneOf(new Set(["timestamp", "date"]), "a timestamp or date");
      if (tryGetSeconds(rule.maxAge) === undefined)
        bad(`expected a duration such as "90s", "15m", "25h" or "7d", got ${JSON.stringify(rule.maxAge)}`);
      break;
    case "same_sum":
      oneOf(NUMBERS, "a number");
      if (rule.type !== null && !NUMBERS.has(rule.type.kind))
        bad(`${rule.to.assetKey}.${rule.column} is ${rule.type.kind}, expected a number`);
      if (!/^\d+(\.\d+)?$/.test(String(rule.tolerance)))
        bad(`expected a tolerance of 0 or more, such as "0.01", got ${JSON.stringify(rule.tolerance)}`);
      if (options.write !== undefined)
        bad("a run adds to the table, so its rows alone have another sum: compare the tables in a sqlCheck");
      if (options.partitions !== undefined && rule.where === null)
        bad("a run computes some partitions: say which rows of the other asset belong to them, as where");
      break;
    case "typescript":
      if (typeof rule.run !== "function") bad("expected a function");
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
