import type { ColumnType } from "../../definitions/column_type.ts";

/** The name of a column's type in Hyper's SQL, as the engine itself writes it. */
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
      return "timestamptz";
    case "date":
      return "date";
    // Hyper checks that it is JSON and keeps the text as it is.
    case "json":
      return "json";
    case "decimal":
      return `numeric(${type.precision},${type.scale})`;
  }
}

/** Object identifiers of types, which Hyper shares with PostgreSQL (pg_type.dat). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [16, "boolean"],
  [17, "bytea"],
  [20, "bigint"],
  [21, "smallint"],
  [23, "integer"],
  [25, "text"],
  [26, "oid"],
  [114, "json"],
  [700, "real"],
  [701, "double precision"],
  [1042, "character"],
  [1043, "character varying"],
  [1082, "date"],
  [1083, "time"],
  [1114, "timestamp"],
  [1184, "timestamptz"],
  [1186, "interval"],
  [2950, "uuid"],
]);

const NUMERIC = 1700;
/** PostgreSQL adds the size of a header to the modifier. */
const MODIFIER_OFFSET = 4;

/** The name of the type of a result's column, by what the protocol says of it. */
export function resultTypeName(oid: number, modifier: number): string {
  if (oid !== NUMERIC) return NAMES.get(oid) ?? `type ${oid}`;
  if (modifier < MODIFIER_OFFSET) return "numeric";
  const packed = modifier - MODIFIER_OFFSET;
  return `numeric(${packed >> 16},${packed & 0xffff})`;
}
