import type { Column, ColumnType } from "../../definitions/column_type.ts";
import { quote } from "../quote.ts";

/** A column that is compared. */
export interface ComparedColumn extends Pick<Column, "name" | "type"> {
  readonly isKey: boolean;
  /** In the unit of the column; of times, seconds. */
  readonly absolute: string;
  /** A share of the larger value. */
  readonly relative: number;
  readonly ignoreCase: boolean;
}

/** Decimals to which numbers are held against each other, where the type leaves room for them. */
const DECIMALS = 9;
/** Decimals to which doubles are held against each other, unless their tolerance has more; and at most. */
const DOUBLE_DECIMALS = 12;
const MAX_DOUBLE_DECIMALS = 30;
/** White space at the ends of texts says nothing; a copy from the web or from Excel brings these too. */
const SPACE = " \t\r\n\v\f\u00a0\u200b\u202f\u2007\ufeff";

/** The decimals to which a column of exact numbers is compared; `undefined`: it is none. */
export function scaleOf(type: ColumnType): number | undefined {
  if (type.kind === "int32" || type.kind === "int64") return DECIMALS;
  if (type.kind !== "decimal") return undefined;
  return Math.max(type.scale, Math.min(DECIMALS, 38 - (type.precision - type.scale)));
}

/** The type of the scratch engine in which both sides are compared. */
export function comparedType(type: ColumnType): string {
  const scale = scaleOf(type);
  if (scale !== undefined) return `DECIMAL(38,${scale})`;
  switch (type.kind) {
    case "float64":
      return "DOUBLE";
    case "date":
      return "DATE";
    case "timestamp":
      return "TIMESTAMP WITH TIME ZONE";
    case "boolean":
      return "BOOLEAN";
    default:
      return "VARCHAR";
  }
}

/** A value of a side as it is compared; NULL where it cannot be. */
export function comparedValue({ type, ignoreCase }: ComparedColumn, value: string): string {
  const cast = `TRY_CAST(${value} AS ${comparedType(type)})`;
  if (type.kind === "timestamp") return `date_trunc('millisecond', ${cast})`;
  if (comparedType(type) !== "VARCHAR") return cast;
  // The same letters may be written in several ways, which nobody sees.
  const plain = `nullif(trim(nfc_normalize(${cast}), '${SPACE}'), '')`;
  return ignoreCase ? `lower(${plain})` : plain;
}

/** Whether two values are the same, as the column is compared; never NULL. */
export function isEqual({ type, absolute, relative }: ComparedColumn, left: string, right: string): string {
  const same = `${left} IS NOT DISTINCT FROM ${right}`;
  const share = (l: string, r: string): string =>
    relative === 0
      ? ""
      : ` OR abs(CAST(${l} AS DOUBLE) - CAST(${r} AS DOUBLE)) <= ${relative} * greatest(abs(CAST(${l} AS DOUBLE)), abs(CAST(${r} AS DOUBLE)))`;
  if (scaleOf(type) !== undefined) {
    const most = `CAST('${absolute}' AS ${comparedType(type)})`;
    return `(${same} OR coalesce(TRY(abs(${left} - ${right})) <= ${most}${share(left, right)}, false))`;
  }
  if (type.kind === "float64") {
    const areFinite = `isfinite(${left}) AND isfinite(${right})`;
    return `(${same} OR coalesce(${areFinite} AND (${areNear(absolute, left, right)}${share(left, right)}), false))`;
  }
  if (type.kind === "timestamp")
    return `(${same} OR coalesce(abs(epoch_ms(${left}) - epoch_ms(${right})) <= ${absolute} * 1000, false))`;
  return `(${same})`;
}

/** Whether two finite doubles are at most so far apart. */
function areNear(absolute: string, left: string, right: string): string {
  // Held as decimals, the least of doubles would all be 0.
  if (Number(absolute) === 0) return "false";
  const [, decimals = ""] = absolute.split(".");
  const type = `DECIMAL(38,${Math.min(Math.max(DOUBLE_DECIMALS, decimals.length), MAX_DOUBLE_DECIMALS)})`;
  // As decimals 1.01 and 1.00 are apart by 0.01 and no more; doubles that are too large for that stay doubles.
  const apart = `TRY(abs(TRY_CAST(${left} AS ${type}) - TRY_CAST(${right} AS ${type}))) <= TRY_CAST('${absolute}' AS ${type})`;
  return `coalesce(${apart}, abs(${left} - ${right}) <= ${absolute})`;
}

/** A value for people. */
export function shown(type: ColumnType, value: string): string {
  const text = `CAST(${value} AS VARCHAR)`;
  return (scaleOf(type) ?? 0) > 0 ? `rtrim(rtrim(${text}, '0'), '.')` : text;
}

/** The column of an index in the tables of the scratch engine. */
export function columnOf(index: number, side = "c"): string {
  return quote(`${side}${index}`);
}
