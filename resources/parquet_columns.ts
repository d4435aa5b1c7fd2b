import { DuckDBInstance } from "@duckdb/node-api";
import { StatementError } from "./errors.ts";
import { literal } from "./quote.ts";

/** The columns of a Parquet file with DuckDB's names of their types. @throws StatementError */
export async function describeParquet(path: string): Promise<{ readonly name: string; readonly type: string }[]> {
  const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false", threads: "1" });
  const connection = await instance.connect();
  const statement = `DESCRIBE SELECT * FROM read_parquet(${literal(path)})`;
  try {
    const rows = (await connection.runAndReadAll(statement)).getRows();
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
  } catch (error) {
    throw new StatementError(`the columns of ${path} cannot be read`, statement, error);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
