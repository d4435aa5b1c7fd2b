import {
  BIGINT,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  SQLNULL,
  TIMESTAMPTZ,
  VARCHAR,
} from "@duckdb/node-api";
import type { Column, ColumnType } from "../../definitions/column_type.ts";
import type { Parameter } from "../render_sql.ts";

/** The type under which the appender takes a column's values. JSON is text with an alias. */
export function appenderType(type: ColumnType): DuckDBType {
  switch (type.kind) {
    case "string":
    case "json":
      return VARCHAR;
    case "int32":
      return INTEGER;
    case "int64":
      return BIGINT;
    case "float64":
      return DOUBLE;
    case "boolean":
      return BOOLEAN;
    case "timestamp":
      return TIMESTAMPTZ;
    case "date":
      return DATE;
    case "decimal":
      return DECIMAL(type.precision, type.scale);
  }
}

const MS_PER_DAY = 86_400_000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * How a validated value of a column, never `null`, becomes a value of the driver. To be used before the next call: what
 * the driver wants as an object is the same object each time, because a million short-lived ones cost a tenth of a load.
 */
export function toDuckDB(column: Column): (value: never) => DuckDBValue {
  const { type } = column;
  switch (type.kind) {
    case "string":
    case "int32":
    case "float64":
    case "boolean":
      return (value: DuckDBValue) => value;
    case "int64":
      return column.value === "bigint" ? (value: bigint) => value : (value: number) => BigInt(value);
    case "timestamp": {
      const instant: Writable<DuckDBTimestampTZValue> = new DuckDBTimestampTZValue(0n);
      return (value: Date) => {
        instant.micros = BigInt(value.getTime()) * 1000n;
        return instant;
      };
    }
    case "date":
      return (value: string) => new DuckDBDateValue(Date.parse(`${value}T00:00:00Z`) / MS_PER_DAY);
    case "json":
      return (value: unknown) => JSON.stringify(value);
    case "decimal": {
      const { precision, scale } = type;
      const number: Writable<DuckDBDecimalValue> = new DuckDBDecimalValue(0n, precision, scale);
      return (value: string) => {
        number.value = unscaled(value, scale);
        return number;
      };
    }
  }
}

/** Texts of up to 15 digits, a sign and a point: their digits are a number that JavaScript holds exactly. */
const EXACT_LENGTH = 15;
const MINUS = "-".charCodeAt(0);
const POINT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

/** `"-1.5"` with scale 2 is -150n. The contract has already made sure that no digit is lost. */
function unscaled(text: string, scale: number): bigint {
  const point = text.indexOf(".");
  const missing = scale - (point === -1 ? 0 : text.length - point - 1);
  if (text.length + missing > EXACT_LENGTH) return BigInt(text.replace(".", "") + "0".repeat(missing));
  // Money, mostly: a third of the time that a BigInt takes to read a text.
  const negative = text.charCodeAt(0) === MINUS;
  let digits = 0;
  for (let index = negative ? 1 : 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code !== POINT) digits = digits * 10 + (code - ZERO);
  }
  for (let zeros = missing; zeros > 0; zeros -= 1) digits *= 10;
  return BigInt(negative ? -digits : digits);
}

/** A bound value and its type, as the driver wants them; whole numbers are integers, so that `LIMIT` takes them. */
export function toParameter(value: Parameter): { readonly value: DuckDBValue; readonly type: DuckDBType } {
  if (value === null) return { value, type: SQLNULL };
  if (value instanceof Date)
    return { value: new DuckDBTimestampTZValue(BigInt(value.getTime()) * 1000n), type: TIMESTAMPTZ };
  switch (typeof value) {
    case "string":
      return { value, type: VARCHAR };
    case "boolean":
      return { value, type: BOOLEAN };
    case "bigint":
      return { value, type: BIGINT };
    case "number":
      return Number.isSafeInteger(value) ? { value: BigInt(value), type: BIGINT } : { value, type: DOUBLE };
    default:
      throw new TypeError(`no parameter can be a ${typeof value}`);
  }
}
