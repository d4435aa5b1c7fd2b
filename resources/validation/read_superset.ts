import { z } from "zod";
import type { SupersetSource } from "../../definitions/validation.ts";
import { openSuperset } from "../superset/open.ts";
import type { Cell, CellRow, CellTable } from "./cells.ts";
import { EmptySourceError, MissingPartError, UnreadableSourceError } from "./errors.ts";

type Client = ReturnType<typeof openSuperset>["client"];

/** Rows of one request: Superset cuts an answer at `SQL_MAX_ROW`, which is not less than this unless somebody made it so. */
const PAGE_ROWS = 50_000;
/** What Superset calls a column of days or instants; it answers with milliseconds since 1970. */
const TEMPORAL = 2;

const answer = z.object({
  result: z
    .array(
      z.object({
        data: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
        colnames: z.array(z.string()),
        coltypes: z.array(z.number()),
        error: z.string().nullish(),
        status: z.string().nullish(),
      }),
    )
    .min(1),
});
type Result = z.infer<typeof answer>["result"][number];

const dataset = z.object({ id: z.number(), table_name: z.string(), schema: z.string().nullable() });
const chart = z.object({ id: z.number() });

/**
 * The rows of a dataset or a chart, as Superset answers its users: with its metrics, its filters and from its cache.
 *
 * @param columns As Superset calls them. Those of a chart are its own.
 * @param keys Those that name a row: a dataset is read page by page, in their order.
 * @throws SupersetError where it cannot be reached or says no; UnreadableSourceError for answers that are not whole
 */
export async function readSuperset(
  { object }: Pick<SupersetSource, "object">,
  columns: readonly string[],
  keys: readonly string[],
  signal: AbortSignal,
): Promise<CellTable> {
  const { client } = openSuperset(process.env, { signal });
  return object.kind === "chart"
    ? tableOf([await chartRows(client, object.name)], `the chart ${object.name}`)
    : tableOf(await datasetRows(client, object, columns, keys), `the dataset ${object.schema}.${object.table}`);
}

async function chartRows(client: Client, name: string): Promise<Result> {
  const filters = /^\d+$/.test(name)
    ? [{ column: "id", operator: "eq" as const, value: Number(name) }]
    : [{ column: "slice_name", operator: "eq" as const, value: name }];
  const { id } = theOnly(await client.list("chart", chart, { filters }), `chart ${JSON.stringify(name)}`);
  const { result } = await client.get(`/chart/${id}/data/`, answer);
  if (result.length > 1)
    throw new UnreadableSourceError(`the chart ${name} shows ${result.length} queries at once: compare its dataset`);
  return whole(result[0], `the chart ${name}`);
}

async function datasetRows(
  client: Client,
  { schema, table }: { readonly schema: string; readonly table: string },
  columns: readonly string[],
  keys: readonly string[],
): Promise<Result[]> {
  const what = `the dataset ${schema}.${table}`;
  const filters = [{ column: "table_name", operator: "eq" as const, value: table }];
  const found = await client.list("dataset", dataset, { filters, columns: ["table_name", "schema"] });
  const own = found.filter((one) => one.schema === schema);
  const datasource = { id: theOnly(own, `dataset ${schema}.${table}`).id, type: "table" };
  const ask = async (query: object): Promise<Result> => {
    const body = { datasource, queries: [query], result_format: "json", result_type: "full" };
    return whole((await client.post("/chart/data", body, answer, { repeatable: true })).result[0], what);
  };
  const all = { expressionType: "SQL", sqlExpression: "COUNT(*)", label: "rows" };
  const counted = await ask({ columns: [], metrics: [all] });
  const total = Number(counted.data[0]?.["rows"] ?? 0);
  const orderby = keys.map((key) => [key, true]);
  const pages: Result[] = [];
  for (let read = 0; read < total;) {
    const page = await ask({ columns, metrics: [], orderby, row_limit: PAGE_ROWS, row_offset: read });
    if (page.data.length === 0)
      throw new UnreadableSourceError(`${what} has ${total} rows, of which Superset gave ${read}`);
    read += page.data.length;
    if (read > total) throw new UnreadableSourceError(`${what} changed while it was read`);
    pages.push(page);
  }
  return pages;
}

function whole(result: Result | undefined, what: string): Result {
  if (result?.error == null && result?.status !== "failed" && result !== undefined) return result;
  throw new UnreadableSourceError(`Superset could not compute ${what}: ${result?.error ?? "it gave no reason"}`);
}

function theOnly<T>(found: readonly T[], what: string): T {
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  throw new MissingPartError(
    `Superset has ${found.length} objects that are ${what}: expected one that this account sees`,
  );
}

function tableOf(pages: readonly Result[], what: string): CellTable {
  const [first] = pages;
  if (first === undefined) throw new EmptySourceError(`${what} in Superset has no row`);
  const { colnames: header, coltypes } = first;
  const times = header.map((_name, index) => coltypes[index] === TEMPORAL);
  return {
    header,
    rows: rowsOf(pages, header, times),
    place: { before: "row ", columns: [] },
    ...{ from1904: false, isTyped: false },
    notes: () => [],
  };
}

function* rowsOf(pages: readonly Result[], header: readonly string[], times: readonly boolean[]): Generator<CellRow> {
  let row = 0;
  for (const { data } of pages) {
    for (const line of data) {
      row += 1;
      const cells = header.map((name, index): Cell => {
        const value = line[name] ?? null;
        return typeof value === "number" && times[index] === true ? new Date(value).toISOString() : value;
      });
      yield { row, cells };
    }
  }
}
