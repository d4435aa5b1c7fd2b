import type { ColumnType } from "../../definitions/column_type.ts";

/**
 * The name of a column's type in ClickHouse's SQL.
 *
 * A document is a String: ClickHouse's own JSON type sorts keys, drops nulls and changes numbers, so that a document
 * would not come back as it went in.
 */
export function columnTypeName(type: ColumnType): string {
  switch (type.kind) {
    case "string":
    case "json":
      return "String";
    case "int32":
      return "Int32";
    case "int64":
      return "Int64";
    case "float64":
      return "Float64";
    case "boolean":
      return "Bool";
    case "timestamp":
      return "DateTime64(6, 'UTC')";
    case "date":
      return "Date32";
    case "decimal":
      return `Decimal(${type.precision}, ${type.scale})`;
  }
}

/** The type of a column, NULL included where the contract allows it. */
export function fullTypeName(column: { readonly type: ColumnType; readonly nullable: boolean }): string {
  const name = columnTypeName(column.type);
  return column.nullable ? `Nullable(${name})` : name;
}
