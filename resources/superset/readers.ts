import { z } from "zod";
import { SupersetClient } from "./client/client.ts";
import { type SupersetEnvironment, tryGetSupersetSettings } from "./settings.ts";

/** What in Superset reads a table, by the names that people know. */
export interface Readers {
  /** Charts that name one of the columns, or a metric over one. */
  readonly charts: readonly string[];
  /** Other charts of its datasets, whose SQL may hide what they read. */
  readonly otherCharts: readonly string[];
  /** Dashboards with any of these charts. */
  readonly dashboards: readonly string[];
}

/** The table, and the columns that are about to change. */
export interface ReadersQuestion {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** Ends waiting and trying. */
  readonly signal: AbortSignal;
}

const listed = z.object({ id: z.number() });
const expression = z.object({ expression: z.string().nullable() });
const metric = expression.extend({ metric_name: z.string() });
const column = expression.extend({ column_name: z.string() });
const dataset = z.object({ result: z.object({ metrics: z.array(metric), columns: z.array(column) }) });
const related = z.object({
  charts: z.object({ result: z.array(z.object({ id: z.number(), slice_name: z.string().nullable() })) }),
  dashboards: z.object({ result: z.array(z.object({ id: z.number(), title: z.string().nullable() })) }),
});
const chart = z.object({ id: z.number(), params: z.string().nullable() });

/**
 * Asks Superset what reads a table, by its datasets on any database connection.
 *
 * @returns `null`: no Superset is configured
 * @throws SupersetError where it cannot be asked
 */
export async function readersOf(env: SupersetEnvironment, question: ReadersQuestion): Promise<Readers | null> {
  const settings = tryGetSupersetSettings(env);
  if (settings === undefined) return null;
  const { schema, table, columns, signal } = question;
  const client = new SupersetClient({ ...settings, signal, retry: { maxAttempts: 2 } });
  const filters = [
    { column: "schema", operator: "eq", value: schema },
    { column: "table_name", operator: "eq", value: table },
  ];
  const found = { charts: new Set<string>(), otherCharts: new Set<string>(), dashboards: new Set<string>() };
  for (const { id } of await client.list("dataset", listed, { filters, columns: [] })) {
    const { charts, dashboards } = await client.get(`/dataset/${id}/related_objects`, related);
    for (const one of dashboards.result) found.dashboards.add(one.title ?? `dashboard ${one.id}`);
    if (charts.result.length === 0) continue;
    const { result } = await client.get(`/dataset/${id}`, dataset);
    const names = withDerived(columns, result);
    // In one request for all; a chart that this account may not see is one of the others.
    const seen = await client.list("chart", chart, {
      filters: [{ column: "datasource_id", operator: "eq", value: id }],
      columns: ["params"],
    });
    const settings = new Map(seen.map((one) => [one.id, textsIn(one.params)]));
    for (const one of charts.result) {
      const isNamed = settings.get(one.id)?.some((text) => names.some((name) => mentions(text, name))) ?? false;
      (isNamed ? found.charts : found.otherCharts).add(one.slice_name ?? `chart ${one.id}`);
    }
  }
  const { charts, otherCharts, dashboards } = found;
  return { charts: [...charts].sort(), otherCharts: [...otherCharts].sort(), dashboards: [...dashboards].sort() };
}

/** The columns, and the metrics and calculated columns of the dataset that name one of them. */
function withDerived(
  columns: readonly string[],
  { metrics, columns: all }: z.infer<typeof dataset>["result"],
): string[] {
  const derived = [
    ...metrics.map((one) => ({ name: one.metric_name, sql: one.expression })),
    ...all.map((one) => ({ name: one.column_name, sql: one.expression })),
  ];
  const names = new Set(columns);
  // A metric may stand on a calculated column.
  for (let known = 0; known < names.size;) {
    known = names.size;
    for (const { name, sql } of derived) if ([...names].some((other) => mentions(sql, other))) names.add(name);
  }
  return [...names];
}

/** The texts in the settings of a chart, as they read: in JSON quotes and letters may be written otherwise. */
function textsIn(params: string | null): string[] {
  const texts: string[] = [];
  try {
    JSON.parse(params ?? "null", (_key, value: unknown) => {
      if (typeof value === "string") texts.push(value);
      return value;
    });
  } catch {
    return [params ?? ""];
  }
  return texts;
}

/** Whether a text has a name in it that is not a part of a longer one. */
function mentions(text: string | null, name: string): boolean {
  return text !== null && new RegExp(`(?<![\\w$])${RegExp.escape(name)}(?![\\w$])`, "u").test(text);
}
