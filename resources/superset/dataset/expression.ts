import type { Metric } from "../../../definitions/superset/metric.ts";
import { quote } from "../../quote.ts";

/**
 * The SQL of a metric, its columns quoted.
 *
 * @param store Such as `"postgres"`.
 */
export function metricExpression({ strings, columns }: Metric, store: string): string {
  return strings.map((text, index) => text + quoted(columns[index], store)).join("");
}

function quoted(column: string | undefined, store: string): string {
  if (column === undefined) return "";
  // ClickHouse reads escapes between double quotes too.
  return quote(store === "clickhouse" ? column.replaceAll("\\", "\\\\") : column);
}
