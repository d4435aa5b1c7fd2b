import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Column } from "../definitions/column_type.ts";
import { type CopiedColumns, sourceOf } from "./store_sources.ts";
import { columnTypeName } from "./duckdb/type_names.ts";
import { StatementError } from "./errors.ts";
import { literal, quote } from "./quote.ts";

/** The statement with which DuckDB reads a Parquet file as the columns of a contract. */
export function parquetQuery(
  path: string,
  target: { readonly columns: readonly Column[] },
  columns: CopiedColumns,
): string {
  const casts = target.columns.map(({ name, type }) => {
    const source = sourceOf(columns, name);
    return `CAST(${source === null ? "NULL" : quote(source)} AS ${columnTypeName(type)}) AS ${quote(name)}`;
  });
  return `SELECT ${casts.join(", ")}\nFROM read_parquet(${literal(path)})`;
}

/** Options of COPY … FROM STDIN that read what {@link csvOf} yields. */
export const CSV_OPTIONS = "FORMAT csv, NULL '\\N'";

/**
 * The rows of a query, as CSV that DuckDB writes in this process: into a pipe, from which they go to a server as they
 * are. No row is a JavaScript object, nothing is written to a disk.
 *
 * @throws StatementError where DuckDB cannot read the source or a value does not fit
 */
export async function* csvOf(
  query: string,
  target: { readonly columns: readonly Column[] },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "parquet-"));
  const pipe = join(folder, "rows.csv");
  execFileSync("mkfifo", ["-m", "600", pipe]);
  const reading = new Socket({ fd: openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK), writable: false });
  // As long as it is open the pipe does not end, whether DuckDB has begun to write or not.
  const keptOpen = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  const texts = target.columns.flatMap(({ name, type }) =>
    type.kind === "string" || type.kind === "json" ? [quote(name)] : [],
  );
  const force = texts.length === 0 ? "" : `, FORCE_QUOTE (${texts.join(", ")})`;
  const statement = `COPY (${query}) TO ${literal(pipe)}
    (FORMAT csv, HEADER false, NULLSTR '\\N', USE_TMP_FILE false${force})`;
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    // Several put the rows in order again, for which they hold them: ten times the memory, and no less time, since the
    // server reads with one.
    threads: "1",
  });
  const connection = await instance.connect();
  const interrupt = (): void => {
    connection.interrupt();
  };
  signal.addEventListener("abort", interrupt, { once: true });
  let fault: { readonly error: unknown } | undefined;
  const writing = connection
    .run("SET TimeZone = 'UTC'")
    .then(() => connection.run(statement))
    .catch((error: unknown) => {
      fault = { error: new StatementError("DuckDB could not read the Parquet file", query, error) };
    })
    .finally(() => {
      closeSync(keptOpen);
    });
  try {
    for await (const chunk of reading) {
      // DuckDB has opened it: its name is not needed any more, and no killed process leaves it behind.
      rmSync(folder, { recursive: true, force: true });
      yield chunk as Uint8Array;
    }
    await writing;
    signal.throwIfAborted();
    if (fault !== undefined) throw fault.error;
  } finally {
    // Without a reader DuckDB's next write fails, and with it the statement.
    reading.destroy();
    interrupt();
    await writing;
    signal.removeEventListener("abort", interrupt);
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true, force: true });
  }
}
