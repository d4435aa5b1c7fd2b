import type { ColumnType } from "../../definitions/column_type.ts";

/** The name of a column's type in DuckDB's SQL. */
export function columnTypeName(type: ColumnType): string {
  switch (type.kind) {
    case "string":
      return "VARCHAR";
    case "int32":
      return "INTEGER";
    case "int64":
      return "BIGINT";
    case "float64":
      return "DOUBLE";
    case "boolean":
      return "BOOLEAN";
    case "timestamp":
      return "TIMESTAMP WITH TIME ZONE";
    case "date":
      return "DATE";
    case "json":
      return "JSON";
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
  }
}
