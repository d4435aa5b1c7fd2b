import type { Dialect } from "../render_sql.ts";
import { quote, tableName } from "./quote.ts";

/** How DuckDB writes references and parameters. */
export function duckdbDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { table: tableName, column: quote, parameter: (index) => `$${index}`, ...context };
}
