import type { Sql } from "../../definitions/sql.ts";
import { MissingTableError } from "../errors.ts";
import { renderSql } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames, requireContract } from "./contract.ts";
import { literalDialect } from "./dialect.ts";
import { UndefinedRelationError } from "./errors.ts";
import { quote, tableName } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** Writes all rows of a table, or of a query, to a new Parquet file. @throws MissingTableError, ContractError */
export async function exportTable(client: Client, target: Target, path: string, sql?: Sql): Promise<void> {
  let from = tableName(target.assetKey);
  let list = columnNames(target);
  if (sql !== undefined) {
    const query = renderSql(sql, literalDialect({ self: null, window: null }));
    await requireContract(client, query, target);
    from = `(${query.text}\n) AS query`;
    // The engine's own types of literals and counts are narrower.
    list = target.columns
      .map(({ name, type, nullable }) => {
        const to = columnTypeName(type);
        return `CAST(${quote(name)} AS ${nullable ? `Nullable(${to})` : to}) AS ${quote(name)}`;
      })
      .join(", ");
  }
  const text = `SELECT ${list} FROM ${from} FORMAT Parquet`;
  try {
    await client.download(text, path, {
      settings: {
        output_format_parquet_string_as_string: 1,
        // Every reader knows it.
        output_format_parquet_compression_method: "snappy",
      },
    });
  } catch (error) {
    if (error instanceof UndefinedRelationError) throw new MissingTableError(target.assetKey, { cause: error });
    throw error;
  }
}
