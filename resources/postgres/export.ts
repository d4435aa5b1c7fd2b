import type { Sql } from "../../definitions/sql.ts";
import type { ReadLimits, ReadRequest } from "../bulk_source.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import { writeParquet } from "../parquet_file.ts";
import { renderSql } from "../render_sql.ts";
import type { Attempt, Target } from "../store.ts";
import type { PostgresConfig } from "./config.ts";
import type { Connections } from "./connections.ts";
import { contractQuery, requireContract } from "./contract.ts";
import { definitionDialect } from "./dialect.ts";
import { copyStatement, openReader } from "./reader.ts";

/** PostgreSQL holds whatever PostgreSQL sends. */
const NO_LIMITS: ReadLimits = { first: "-infinity", end: "infinity", allowsInfinity: true };
/** DuckDB, which writes the file, reads no years before Christ. */
const PARQUET_LIMITS: ReadLimits = { first: "0001-01-01", end: "290000-01-01", allowsInfinity: true };

/** What a copy of a table into this store reads. */
export function readRequest(
  { assetKey, columns }: Target,
  names: CopiedColumns,
  { runId, signal, log }: Attempt,
): ReadRequest {
  const wanted = columns.map(({ name, type }) => ({ name, type, source: sourceOf(names, name) }));
  return { assetKey, runId, columns: wanted, limits: NO_LIMITS, signal, log };
}

/** Writes all rows of an asset's table to a new Parquet file, from the replica where there is one. */
export async function exportTable(
  server: PostgresConfig,
  target: Target,
  path: string,
  attempt: Attempt,
): Promise<void> {
  const request = { ...readRequest(target, new Map(), attempt), limits: PARQUET_LIMITS };
  const reader = await openReader(target, server, request);
  await writeParquet(path, reader.rows("csv"), target.columns, attempt.signal);
}

/** Writes all rows of a query to a new Parquet file. @throws ContractError */
export async function exportQuery(
  connections: Connections,
  target: Target,
  sql: Sql,
  path: string,
  { runId, signal }: Attempt,
): Promise<void> {
  const { text } = renderSql(sql, definitionDialect({ self: null, window: null }));
  const transaction = await connections.begin({ assetKey: target.assetKey, runId, signal, isReadOnly: true });
  try {
    await transaction.run((client) => requireContract(client, text, target));
    const rows = transaction.copyOut(copyStatement(contractQuery(text, target), "csv"));
    await writeParquet(path, rows, target.columns, signal);
    await transaction.commit();
  } finally {
    await transaction.rollback();
  }
}
