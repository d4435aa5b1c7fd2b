import type { ColumnType } from "../definitions/column_type.ts";

/** Column of the asset to column of the source, where the names differ; `null`: the source has none, so it is NULL. */
export type CopiedColumns = ReadonlyMap<string, string | null>;

/** The column of the source that a column of the asset is read from; `null`: there is none. */
export function sourceOf(columns: CopiedColumns, name: string): string | null {
  const source = columns.get(name);
  return source === undefined ? name : source;
}

/** A column of what a copy reads. */
export interface SourceColumn {
  readonly name: string;
  /** The name of its type where it is, for people. */
  readonly typeName: string;
  /** The type of a column that holds each of its values exactly; `null`: there is none. */
  readonly type: ColumnType | null;
}

/** The columns of a Parquet file, as DuckDB reads them in this process. @throws StatementError */
export async function parquetColumns(path: string): Promise<SourceColumn[]> {
  const { describeParquet } = await import("./parquet_columns.ts");
  const columns = await describeParquet(path);
  return columns.map(({ name, type }) => sourceColumn(name, type, DUCKDB_TYPES));
}

/** A column of a table of PostgreSQL. @param typeName As `format_type` writes it. */
export function postgresColumn(name: string, typeName: string): SourceColumn {
  return sourceColumn(name, typeName, POSTGRES_TYPES);
}

type Kind = Exclude<ColumnType["kind"], "decimal">;

/** A TIMESTAMP without a zone is not here: nobody knows which instant it is. */
const DUCKDB_TYPES: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["VARCHAR", "string"],
  ["UUID", "string"],
  ["BOOLEAN", "boolean"],
  ["TINYINT", "int32"],
  ["SMALLINT", "int32"],
  ["INTEGER", "int32"],
  ["UTINYINT", "int32"],
  ["USMALLINT", "int32"],
  ["BIGINT", "int64"],
  ["UINTEGER", "int64"],
  ["FLOAT", "float64"],
  ["DOUBLE", "float64"],
  ["TIMESTAMP WITH TIME ZONE", "timestamp"],
  ["DATE", "date"],
]);

const POSTGRES_TYPES: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["text", "string"],
  ["character varying", "string"],
  ["uuid", "string"],
  ["boolean", "boolean"],
  ["smallint", "int32"],
  ["integer", "int32"],
  ["bigint", "int64"],
  ["real", "float64"],
  ["double precision", "float64"],
  ["timestamp with time zone", "timestamp"],
  ["date", "date"],
  ["json", "json"],
]);

function sourceColumn(name: string, typeName: string, kinds: ReadonlyMap<string, Kind>): SourceColumn {
  const [, precision, scale] = /^(?:DECIMAL|numeric)\((\d+), ?(\d+)\)$/.exec(typeName) ?? [];
  if (precision !== undefined && scale !== undefined && Number(precision) <= 38)
    return { name, typeName, type: { kind: "decimal", precision: Number(precision), scale: Number(scale) } };
  // A limit of a text's length is not one of its values.
  const kind = kinds.get(typeName.replace(/^character varying\(\d+\)$/, "character varying"));
  return { name, typeName, type: kind === undefined ? null : { kind } };
}

/**
 * What a copy into a column would change in values without a word; `undefined`: nothing. A cast that cannot be done fails
 * by itself.
 */
export function silentLoss({ type, typeName }: SourceColumn, into: ColumnType): string | undefined {
  const isFraction =
    type === null ? /^numeric$/.test(typeName) : type.kind === "float64" || (type.kind === "decimal" && type.scale > 0);
  const isNumber = isFraction || ["int32", "int64", "decimal"].includes(type?.kind ?? "");
  switch (into.kind) {
    case "int32":
    case "int64":
      return isFraction ? "which has fractions" : undefined;
    case "date":
      return type?.kind === "timestamp" || /^timestamp/i.test(typeName) ? "which has a time of day" : undefined;
    case "boolean":
      return isNumber ? "which is a number" : undefined;
    default:
      return undefined;
  }
}
