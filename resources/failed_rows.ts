import { OWN_SCHEMA, quote } from "./quote.ts";
import type { Statement } from "./render_sql.ts";
import type { Attempt, FailedRow } from "./store.ts";

/** Quoted name of the table of rows that checks found. */
export const FAILED_ROWS = `${quote(OWN_SCHEMA)}.${quote("failed_rows")}`;
/** Rows in one statement. */
const ROWS_PER_INSERT = 200;

/** Makes the table of the rows that failed checks, in a schema that is there. */
export const CREATE_FAILED_ROWS = `CREATE TABLE IF NOT EXISTS ${FAILED_ROWS} (
  asset_key text NOT NULL,
  run_id text NOT NULL,
  partition_keys text NOT NULL,
  check_name text NOT NULL,
  found_at timestamptz NOT NULL,
  value text NOT NULL
)`;

/** The statements by which the failed rows of a run take the place of those before; to be run in one transaction. */
export function* replaceFailedRows(
  assetKey: string,
  { runId, partitionKeys = null }: Pick<Attempt, "runId" | "partitionKeys">,
  rows: readonly FailedRow[],
): Generator<Statement> {
  const owner = [assetKey, runId, JSON.stringify(partitionKeys)];
  yield {
    text: `DELETE FROM ${FAILED_ROWS} WHERE asset_key = $1 AND (run_id <> $2 OR partition_keys = $3)`,
    parameters: owner,
  };
  for (let start = 0; start < rows.length; start += ROWS_PER_INSERT) {
    const page = rows.slice(start, start + ROWS_PER_INSERT);
    const values = page.map((_, index) => `($1, $2, $3, $${index * 2 + 4}, now(), $${index * 2 + 5})`);
    yield {
      text: `INSERT INTO ${FAILED_ROWS} (asset_key, run_id, partition_keys, check_name, found_at, value) VALUES ${values.join(", ")}`,
      parameters: [...owner, ...page.flatMap(({ checkName, value }) => [checkName, value])],
    };
  }
}
