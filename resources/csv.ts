import type { ReadColumn } from "./bulk_source.ts";
import { columnTypeName } from "./duckdb/type_names.ts";
import { literal } from "./quote.ts";

/** The longest row; the engine takes a buffer of so many bytes, and no more. */
const MAX_ROW_BYTES = 64 * 1024 * 1024;

/** The rows of a CSV file without a header, as DuckDB reads them: NULL is `\N`, an empty text is none. */
export function readCsv(path: string, columns: readonly Pick<ReadColumn, "name" | "type">[]): string {
  const types = columns.map(({ name, type }) => `${literal(name)}: ${literal(columnTypeName(type))}`);
  const options = [
    "auto_detect = false",
    "header = false",
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    "nullstr = '\\N'",
    "allow_quoted_nulls = false",
    `max_line_size = ${MAX_ROW_BYTES}`,
    `buffer_size = ${MAX_ROW_BYTES}`,
  ];
  return `read_csv(${literal(path)}, columns = {${types.join(", ")}}, ${options.join(", ")})`;
}
