import { MissingTableError } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { UndefinedRelationError } from "./errors.ts";
import { tableName } from "./quote.ts";

/** Writes all rows of a table to a new Parquet file. @throws MissingTableError */
export async function exportTable(client: Client, target: Target, path: string): Promise<void> {
  const text = `SELECT ${columnNames(target)} FROM ${tableName(target.assetKey)} FORMAT Parquet`;
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
