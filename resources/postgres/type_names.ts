import type { ColumnType } from "../../definitions/column_type.ts";

/** The name of a column's type, as PostgreSQL itself writes it. */
export function columnTypeName(type: ColumnType): string {
  switch (type.kind) {
    case "string":
      return "text";
    case "int32":
      return "integer";
    case "int64":
      return "bigint";
    case "float64":
      return "double precision";
    case "boolean":
      return "boolean";
    case "timestamp":
      return "timestamp with time zone";
    case "date":
      return "date";
    case "json":
      // Not jsonb: it drops the order of keys and the spelling of numbers, and refuses \u0000.
      return "json";
    case "decimal":
      return `numeric(${type.precision},${type.scale})`;
  }
}
