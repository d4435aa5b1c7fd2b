import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

/** Rows as a table's columns and values, written as SQL. */
export interface Given {
  /** Such as `"user_id INTEGER, revenue DECIMAL(12, 2)"`. */
  readonly columns: string;
  /** Such as `"(1, 2.50)"`; an empty table when there is none. */
  readonly rows: readonly string[];
}

/** Runs the SQL of an asset over hand-made tables; the values come back as JSON, money and counts as text. */
export async function runSql(
  file: string,
  tables: Readonly<Record<string, Given>>,
): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:");
  try {
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    for (const [name, { columns, rows }] of Object.entries(tables)) {
      await connection.run(`CREATE TABLE ${name} (${columns})`);
      if (rows.length > 0) await connection.run(`INSERT INTO ${name} VALUES ${rows.join(", ")}`);
    }
    const text = readFileSync(`sql/${file}`, "utf8")
      .replaceAll("{window.start}", "TIMESTAMPTZ '2017-01-01 00:00:00+00'")
      .replaceAll("{window.end}", "TIMESTAMPTZ '2018-01-02 00:00:00+00'")
      .replaceAll(/\{(\w+)\}/g, "$1");
    return (await connection.runAndReadAll(text)).getRowObjectsJson();
  } finally {
    instance.closeSync();
  }
}
