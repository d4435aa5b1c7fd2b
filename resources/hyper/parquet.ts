import type { Target } from "../store.ts";
import { literal, quote } from "../quote.ts";
import { parquetQuery } from "../parquet_rows.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import { columnTypeName } from "./type_names.ts";

/** In a Parquet file the instant of this number is infinity, which Hyper does not hold: it would be this instant. */
const INFINITY = "294247-01-10 04:00:54.775807+00";

/** The query by which the server itself reads a Parquet file as the columns of a contract. */
export function externalQuery(path: string, { columns }: Target, names: CopiedColumns): string {
  const list = columns.map(({ name, type }) => {
    const source = sourceOf(names, name);
    const typeName = columnTypeName(type);
    const value = `CAST(${source === null ? "NULL" : quote(source)} AS ${typeName})`;
    if (type.kind !== "timestamp") return value;
    const refused = `CAST('out of range: infinity or ' || CAST(${value} AS text) AS ${typeName})`;
    return `CASE WHEN ${value} >= ${typeName} '${INFINITY}' THEN ${refused} ELSE ${value} END`;
  });
  return `SELECT ${list.join(", ")}\nFROM external(${literal(path)}, FORMAT => 'parquet')`;
}

/** The query by which DuckDB reads it, for a server that does not see the file. */
export function streamedQuery(path: string, target: Target, names: CopiedColumns): string {
  const list = target.columns.map(({ name, type }) => {
    const value = quote(name);
    if (type.kind !== "timestamp" && type.kind !== "date") return value;
    return `CASE WHEN ${value} IS NULL OR isfinite(${value}) THEN ${value} ELSE error('out of range: ' || ${value}) END AS ${value}`;
  });
  return `SELECT ${list.join(", ")} FROM (${parquetQuery(path, target, names)}\n)`;
}
