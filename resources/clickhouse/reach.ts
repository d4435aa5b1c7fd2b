import type { Client } from "./client.ts";
import { bare, literal, NAME, OWN_DATABASE } from "./quote.ts";

/** A database and a table in it. */
export type TableName = readonly [database: string, table: string];

/** Rows that are inserted into a table of those engines go on by the views on it only; into a view nobody inserts. */
const PLAIN =
  "MergeTree$|^(Null|Memory|Log|TinyLog|StripeLog|Set|Join|View|File|URL|S3|GCS|HDFS|AzureBlobStorage|PostgreSQL|MySQL|SQLite|MongoDB|Redis|EmbeddedRocksDB|Kafka|RabbitMQ|NATS)$";
const VIEW = new RegExp(`^CREATE MATERIALIZED VIEW (?:${NAME})\\.(?:${NAME})(?: UUID '[^']*')?`);
const TO = new RegExp(`^(?: REFRESH .*?)? TO (?!INNER UUID)(?:(${NAME})\\.)?(${NAME})`, "s");

interface Row {
  readonly isPlain: boolean;
  /** The views that its inserts feed. */
  readonly views: readonly TableName[];
  /** Where a view writes; `null`: not known. */
  readonly to: readonly TableName[] | null;
}

/**
 * Whether rows that are inserted into one of the tables may end up in one of the others: in it, or by way of the views that
 * hang on it, and on their tables in turn. What cannot be told counts.
 *
 * @param assetKeys `schema/table`.
 */
export async function mayLeadTo(
  client: Client,
  from: readonly TableName[],
  assetKeys: readonly string[],
): Promise<boolean> {
  const goals = new Set(assetKeys.map((key) => JSON.stringify(key.split("/"))));
  if (from.some((name) => goals.has(JSON.stringify(name)))) return true;
  // Nothing but the feeds hangs on the runtime's own tables, and they write to such tables.
  const others = from.filter(([database]) => database !== OWN_DATABASE);
  if (others.length === 0) return false;
  const tables = await readTables(client, others);
  const open: TableName[] = [...others];
  if (open.some((name) => !tables.has(JSON.stringify(name)))) return true;
  const seen = new Set<string>();
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const key = JSON.stringify(name);
    if (goals.has(key)) return true;
    if (seen.has(key)) continue;
    seen.add(key);
    const row = tables.get(key);
    if (row === undefined) continue; // plain, without views
    if (!row.isPlain || row.to === null) return true;
    open.push(...row.views, ...row.to);
  }
  return false;
}

/** All tables on which views hang, all views and all tables of other engines; and the given ones. */
async function readTables(client: Client, also: readonly TableName[]): Promise<ReadonlyMap<string, Row>> {
  const list = also.map((name) => `(${name.map(literal).join(", ")})`).join(", ");
  const { rows } = await client.text(
    `SELECT database, name, engine, match(engine, ${literal(PLAIN)}), toString(uuid), create_table_query,
       toJSONString(arrayZip(dependencies_database, dependencies_table))
     FROM system.tables
     WHERE NOT match(engine, ${literal(PLAIN)}) AND NOT startsWith(engine, 'System') AND database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')
       OR notEmpty(dependencies_table) OR (database, name) IN (${list})`,
  );
  return new Map(
    rows.map((row) => {
      const [database = "", name = "", engine, isPlain, uuid = "", query = "", views] = row.map((value) => value ?? "");
      const isView = engine === "MaterializedView";
      const to = isView ? targetsOf(query, [database, name], uuid) : [];
      const parsed = JSON.parse(views ?? "[]") as TableName[];
      return [JSON.stringify([database, name]), { isPlain: isView || isPlain === "1", views: parsed, to }];
    }),
  );
}

function targetsOf(query: string, [database, name]: TableName, uuid: string): readonly TableName[] | null {
  const start = VIEW.exec(query);
  if (start === null) return null;
  const rest = query.slice(start[0].length);
  const to = TO.exec(rest);
  if (to !== null) return [[to[1] === undefined ? database : bare(to[1]), bare(to[2] ?? "")]];
  // A table of its own.
  return [
    [database, `.inner_id.${uuid}`],
    [database, `.inner.${name}`],
  ];
}
