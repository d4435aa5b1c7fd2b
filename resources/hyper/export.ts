import { existsSync } from "node:fs";
import type { Sql } from "../../definitions/sql.ts";
import { ROW_BEGIN } from "../csv.ts";
import { MissingTableError } from "../errors.ts";
import { writeParquet } from "../parquet_file.ts";
import { literal, quote, tableName } from "../quote.ts";
import { renderSql } from "../render_sql.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import type { HyperConfig } from "./config.ts";
import { requireContract } from "./contract.ts";
import { literalDialect } from "./dialect.ts";
import { HyperConfigurationError } from "./errors.ts";
import { hasTable } from "./has_table.ts";
import { columnTypeName } from "./type_names.ts";

/**
 * Writes all rows of a table, or of a query, to a new Parquet file: the server by itself where it shares the files of
 * this machine, else this process, to which the server sends the rows.
 *
 * @throws MissingTableError, HyperConfigurationError
 */
export async function exportTable(
  client: Client,
  target: Target,
  path: string,
  {
    signal,
    sharesFiles,
    query: sql,
  }: Pick<Attempt, "signal"> & Pick<HyperConfig, "sharesFiles"> & { readonly query: Sql | undefined },
): Promise<void> {
  const table = sql === undefined ? await tableOf(client, target) : await queryOf(client, target, sql);
  if (sharesFiles) {
    const list = target.columns.map(({ name, type }) =>
      type.kind === "json" ? `CAST(${quote(name)} AS text) AS ${quote(name)}` : quote(name),
    );
    await client.run(`COPY (SELECT ${list.join(", ")} FROM ${table}) TO ${literal(path)} WITH (FORMAT parquet)`);
    if (existsSync(path)) return;
    throw new HyperConfigurationError(
      `the server of HYPER_URL wrote ${path} where it is not seen from here, as from a container: ` +
        "set HYPER_SHARES_FILES=false, so that the rows go over the connection",
    );
  }
  const guarded = target.columns.map(({ name, type }) => {
    const column = quote(name);
    if (type.kind !== "timestamp" && type.kind !== "date") return column;
    // DuckDB, which writes the file, reads no years before Christ: the server refuses to send them.
    const typeName = columnTypeName(type);
    const refused = `CAST('out of range: ' || CAST(${column} AS text) AS ${typeName})`;
    return `CASE WHEN ${column} < ${typeName} '0001-01-01' THEN ${refused} ELSE ${column} END`;
  });
  const query = `COPY (SELECT ${[ROW_BEGIN, ...guarded].join(", ")} FROM ${table}) TO STDOUT WITH (FORMAT csv, NULL '\\N')`;
  await client.copyOut(query, (rows) => writeParquet(path, rows, target.columns, signal));
}

async function tableOf(client: Client, { assetKey }: Target): Promise<string> {
  if (!(await hasTable(client, tableName(assetKey)))) throw new MissingTableError(assetKey);
  return tableName(assetKey);
}

async function queryOf(client: Client, target: Target, sql: Sql): Promise<string> {
  const statement = renderSql(sql, literalDialect({ self: null, window: null }));
  await requireContract(client, statement, target);
  return `(${statement.text}\n) AS query`;
}
