import { DuckDBInstance } from "@duckdb/node-api";
import type { Column } from "../definitions/column_type.ts";
import { readCsv } from "./csv.ts";
import { StatementError } from "./errors.ts";
import { throughPipe } from "./pipe.ts";
import { literal, quote } from "./quote.ts";

/**
 * Writes rows to a new Parquet file, by DuckDB in this process; nothing else of them is kept.
 *
 * @param rows CSV, as {@link readCsv} reads it.
 * @throws StatementError where a value does not fit, or what the source throws
 */
export async function writeParquet(
  path: string,
  rows: AsyncIterable<Uint8Array>,
  columns: readonly Pick<Column, "name" | "type">[],
  signal: AbortSignal,
): Promise<void> {
  // Not every reader knows the type of a document; all know its text.
  const list = columns.map(({ name, type }) =>
    type.kind === "json" ? `CAST(${quote(name)} AS VARCHAR) AS ${quote(name)}` : quote(name),
  );
  const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
  const connection = await instance.connect();
  const interrupt = (): void => {
    connection.interrupt();
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    await connection.run("SET TimeZone = 'UTC'");
    await throughPipe(rows, async (pipe) => {
      const copy = `COPY (SELECT ${list.join(", ")} FROM ${readCsv(pipe, columns)}) TO ${literal(path)} (FORMAT parquet)`;
      await connection.run(copy).catch((error: unknown) => {
        throw new StatementError("DuckDB could not write the Parquet file", copy, error);
      });
    });
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", interrupt);
    connection.closeSync();
    instance.closeSync();
  }
}
