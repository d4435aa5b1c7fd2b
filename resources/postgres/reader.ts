import type { PostgresReader, PostgresServer, ReadColumn, ReadRequest } from "../bulk_source.ts";
import { ROW_BEGIN } from "../csv.ts";
import { ContractError } from "../errors.ts";
import { postgresColumn, type SourceColumn } from "../store_sources.ts";
import { quote } from "../quote.ts";
import type { PostgresConfig } from "./config.ts";
import { applicationName, Connections, type Work } from "./connections.ts";
import { UndefinedRelationError } from "./errors.ts";
import { waitForReplica } from "./replica.ts";
import type { SourceTable } from "./source.ts";
import { columnTypeName } from "./type_names.ts";

/** Makes a table ready to read. @see PostgresTableSource.open */
export async function openReader(
  table: Pick<SourceTable, "schema" | "table">,
  server: PostgresConfig,
  request: ReadRequest,
): Promise<PostgresReader> {
  const config = server.replica ?? server;
  const { assetKey, runId, signal } = request;
  const work = { assetKey, runId, signal, isReadOnly: true };
  const connections = new Connections(config);
  try {
    if (server.replica !== null) await waitForReplica(connections, server, { ...work, log: request.log });
    const types = new Map((await typesOf(connections, work, table)).map(({ name, type }) => [name, type]));
    requireColumns(table, request, types);
    const expressions = request.columns.map(
      (column) => `${read(column, types.get(column.source ?? "") ?? "", request)} AS ${quote(column.name)}`,
    );
    const query = `SELECT ${expressions.join(", ")}\nFROM ${quote(table.schema)}.${quote(table.table)}`;
    return {
      place: `PostgreSQL at ${config.place}`,
      query,
      server: serverOf(config, applicationName(assetKey, runId)),
      rows: (format) => rowsOf(config, work, query, format),
      cancel: (processId) => cancel(config, { assetKey, runId, isReadOnly: true }, processId),
    };
  } finally {
    await connections.close();
  }
}

/** The columns of a table, as its copy will find them. @throws UndefinedRelationError */
export async function readColumns(
  table: Pick<SourceTable, "schema" | "table">,
  server: PostgresConfig,
  { assetKey, runId, signal, log }: Pick<ReadRequest, "assetKey" | "runId" | "signal" | "log">,
): Promise<SourceColumn[]> {
  const work = { assetKey, runId, signal, isReadOnly: true };
  const connections = new Connections(server.replica ?? server);
  try {
    if (server.replica !== null) await waitForReplica(connections, server, { ...work, log });
    const columns = await typesOf(connections, work, table);
    return columns.map(({ name, fullType }) => postgresColumn(name, fullType));
  } finally {
    await connections.close();
  }
}

/**
 * The columns of the table with the names of their types, short and in full; of a domain those of the type below it.
 *
 * @throws UndefinedRelationError
 */
async function typesOf(
  connections: Connections,
  work: Work,
  { schema, table }: Pick<SourceTable, "schema" | "table">,
): Promise<readonly { readonly name: string; readonly type: string; readonly fullType: string }[]> {
  const { rows } = await connections.transaction(work, (client) =>
    client.text({
      text: `WITH RECURSIVE relation AS (
          SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        ), typed (attnum, attname, typeid, modifier) AS (
          SELECT attnum, attname, atttypid, atttypmod FROM pg_catalog.pg_attribute JOIN relation ON attrelid = oid
          WHERE attnum > 0 AND NOT attisdropped
          UNION ALL SELECT attnum, attname, typbasetype, CASE WHEN typtypmod < 0 THEN modifier ELSE typtypmod END
          FROM typed JOIN pg_catalog.pg_type ON oid = typeid WHERE typtype = 'd'
        )
        SELECT attname, typname, pg_catalog.format_type(typeid, modifier) FROM relation
        LEFT JOIN (typed JOIN pg_catalog.pg_type AS t ON t.oid = typeid AND typtype <> 'd') ON true ORDER BY attnum`,
      parameters: [schema, table],
    }),
  );
  if (rows.length === 0) {
    throw new UndefinedRelationError(
      `${schema}.${table} cannot be copied: materialize the asset that it belongs to first, or mend its name`,
      "",
      new Error(`${connections.config.place} has no such table`),
    );
  }
  return rows.map(([name, type, fullType]) => ({ name: name ?? "", type: type ?? "", fullType: fullType ?? "" }));
}

function requireColumns(
  { schema, table }: Pick<SourceTable, "schema" | "table">,
  { assetKey, columns }: ReadRequest,
  types: ReadonlyMap<string, string>,
): void {
  const missing = columns.flatMap(({ source }) =>
    source === null || types.has(source) ? [] : [JSON.stringify(source)],
  );
  if (missing.length === 0) return;
  throw new ContractError(
    `${assetKey}: ${schema}.${table} has no column ${missing.join(", ")}; ` +
      `it has ${[...types.keys()].map((name) => JSON.stringify(name)).join(", ")}`,
  );
}

/**
 * A column, cast to its type. A value that the reader cannot hold stops PostgreSQL: a cast of a text that says so fails
 * before anything wrong is sent. Engines would make something else of NaN or infinity, without a word.
 */
function read({ source, type }: ReadColumn, typeName: string, request: ReadRequest): string {
  if (source === null) return `CAST(NULL AS ${columnTypeName(type)})`;
  const column = quote(source);
  // Arrays and composite types become documents; no cast does that.
  if (type.kind === "json" && !/^(json|jsonb|text|varchar|bpchar)$/.test(typeName)) return `to_json(${column})`;
  const name = columnTypeName(type);
  const value = `CAST(${column} AS ${name})`;
  if (type.kind === "decimal")
    return `CASE WHEN ${value} = 'NaN' THEN CAST('no number: ' || ${value} AS ${name}) ELSE ${value} END`;
  if (type.kind !== "timestamp" && type.kind !== "date") return value;
  const { limits, hasInstantsWithoutZone = false } = request;
  const { first, end, allowsInfinity } = limits;
  const inside = `${value} >= ${name} '${first}' AND ${value} < ${name} '${end}'`;
  const endless = allowsInfinity ? ` OR NOT isfinite(${value})` : "";
  const refused = `CAST('out of range: ' || ${value} AS ${name})`;
  const found = `CASE WHEN ${inside}${endless} OR ${value} IS NULL THEN ${value} ELSE ${refused} END`;
  return type.kind === "timestamp" && hasInstantsWithoutZone ? `${found} AT TIME ZONE 'UTC'` : found;
}

/** Sends the rows of a query in a format of COPY; as CSV they are as `readCsv` takes them. */
export function copyStatement(query: string, format: "text" | "csv"): string {
  const rows = format === "csv" ? `SELECT ${ROW_BEGIN}, query.* FROM (${query}\n) AS query` : query;
  return `COPY (${rows}) TO STDOUT (FORMAT ${format}, NULL '\\N')`;
}

/** The rows of one statement on a connection of its own. */
async function* rowsOf(
  config: PostgresConfig,
  work: Work,
  query: string,
  format: "text" | "csv",
): AsyncGenerator<Uint8Array> {
  const connections = new Connections(config);
  const transaction = await connections.begin(work);
  try {
    yield* transaction.copyOut(copyStatement(query, format));
    await transaction.commit();
  } finally {
    await transaction.rollback();
    await connections.close();
  }
}

async function cancel(config: PostgresConfig, work: Work, processId: string): Promise<void> {
  const connections = new Connections(config);
  const statement = { text: "SELECT pg_catalog.pg_cancel_backend($1)", parameters: [processId] };
  try {
    await connections.transaction(work, (client) => client.run(statement));
  } finally {
    await connections.close();
  }
}

/** The server of a configuration, for engines that connect by themselves under a name. */
export function serverOf(config: PostgresConfig, name: string): PostgresServer {
  const url = new URL(config.url);
  url.searchParams.set("application_name", name);
  // Whatever the database keeps: else its text comes as the bytes that it has.
  url.searchParams.set("client_encoding", "UTF8");
  return {
    url: url.href,
    host: url.hostname === "" ? (url.searchParams.get("host") ?? "localhost") : url.hostname,
    port: Number(url.port === "" ? "5432" : url.port),
    database: decodeURIComponent(url.pathname.slice(1)),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    sslmode: url.searchParams.get("sslmode") ?? "disable",
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
  };
}
