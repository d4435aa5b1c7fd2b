import type { DataType } from "apache-arrow";
import type { ColumnType } from "../definitions/column_type.ts";

/** Of `Type` in apache-arrow, which is not loaded for those who yield none. @see https://arrow.apache.org/docs/format/Columnar.html */
const NULL = 1;
const INT = 2;
const FLOAT = 3;
const UTF8 = 5;
const BOOL = 6;
const DECIMAL = 7;
const DATE = 8;
const TIMESTAMP = 10;
const LARGE_UTF8 = 20;
const DICTIONARY = -1;
/** Of `TimeUnit`: a `Date` holds no more. */
const MILLISECOND = 1;
const MAX_PRECISION = 38;

/** The column type that holds each value of an Arrow type exactly; `undefined`: there is none, `null`: all are NULL. */
export function columnTypeOf(type: DataType): ColumnType | null | undefined {
  const of = type as unknown as {
    readonly typeId: number;
    readonly dictionary?: DataType;
    readonly bitWidth?: number;
    readonly isSigned?: boolean;
    readonly precision?: number;
    readonly scale?: number;
    readonly unit?: number;
    readonly timezone?: string | null;
  };
  switch (of.typeId) {
    case NULL:
      return null;
    case DICTIONARY:
      return of.dictionary === undefined ? undefined : columnTypeOf(of.dictionary);
    case INT:
      // Unsigned ones of 64 bits have values beyond.
      return of.bitWidth === 64 && of.isSigned === false ? undefined : { kind: "int64" };
    case FLOAT:
      return { kind: "float64" };
    case UTF8:
    case LARGE_UTF8:
      return { kind: "string" };
    case BOOL:
      return { kind: "boolean" };
    case DATE:
      return { kind: "date" };
    case TIMESTAMP:
      if (of.unit === undefined || of.unit > MILLISECOND || (of.timezone ?? "") === "") return undefined;
      return { kind: "timestamp" };
    case DECIMAL: {
      const { precision = 0, scale = 0 } = of;
      if (precision > MAX_PRECISION || scale < 0 || scale > precision) return undefined;
      return { kind: "decimal", precision, scale };
    }
    default:
      return undefined;
  }
}
