import type { ReadColumn } from "./bulk_source.ts";
import { columnTypeName } from "./duckdb/type_names.ts";
import { literal, quote } from "./quote.ts";

/** The longest row; the engine takes a buffer of so many bytes, and no more. */
const MAX_ROW_BYTES = 64 * 1024 * 1024;

/**
 * What each row begins with, before its columns: DuckDB passes over a line that is blank, as a row of one empty text is,
 * and takes a U+FEFF at the beginning for a mark of the file.
 */
export const ROW_BEGIN = "0";

/**
 * The rows of a CSV file without a header, as DuckDB reads them: NULL is `\N`, an empty text is none, and each row begins
 * with {@link ROW_BEGIN}.
 */
export function readCsv(path: string, columns: readonly Pick<ReadColumn, "name" | "type">[]): string {
  let first = "begin";
  while (columns.some(({ name }) => name.toLowerCase() === first)) first += "_";
  const all = [`${literal(first)}: 'TINYINT'`];
  for (const { name, type } of columns) all.push(`${literal(name)}: ${literal(columnTypeName(type))}`);
  const options = [
    "auto_detect = false",
    "header = false",
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    // Else it takes a line end within the quotes of the first row for that of all.
    "new_line = '\\n'",
    "nullstr = '\\N'",
    "allow_quoted_nulls = false",
    `max_line_size = ${MAX_ROW_BYTES}`,
    `buffer_size = ${MAX_ROW_BYTES}`,
  ];
  const rows = `read_csv(${literal(path)}, columns = {${all.join(", ")}}, ${options.join(", ")})`;
  return `(SELECT ${columns.map(({ name }) => quote(name)).join(", ")} FROM ${rows})`;
}
