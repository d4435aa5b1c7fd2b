import { bucketOf } from "../check_rules.ts";
import { sampleOf } from "../checks.ts";
import { hashedFacts } from "../content_hash.ts";
import { latestStaged } from "../cursor.ts";
import { quote } from "../quote.ts";
import type { StagedFacts, Target } from "../store.ts";
import { POSTGRES_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { columnTypeName } from "./type_names.ts";

/**
 * Counts and hashes the rows of a relation. Each row's columns are hashed by their types' own functions, the result is
 * hashed once more, so that no value swapped between two rows cancels out, and the sum does not know the order of rows.
 */
export async function stagedFacts(
  client: Client,
  target: Pick<Target, "columns" | "cursorColumn" | "buckets">,
  relation: string,
): Promise<StagedFacts> {
  // Documents have no hash function of their own; -0 and 0 have one hash, but are two values.
  const values = target.columns.map(({ name, type }) =>
    type.kind === "json" || type.kind === "float64" ? `CAST(${quote(name)} AS text)` : quote(name),
  );
  const row = `pg_catalog.hash_record_extended(ROW(${values.join(", ")}), 0)`;
  const sum = `sum(pg_catalog.hashint8extended(${row}, 0))`;
  const bucket = bucketOf(POSTGRES_CHECKS, target);
  const { rows } = await client.text(
    bucket === ""
      ? `SELECT count(*), ${sum} FROM ${relation}`
      : `SELECT ${bucket}, count(*), ${sum} FROM ${relation} GROUP BY ${bucket}`,
  );
  // The engine's hash functions may change between versions.
  const [[engine] = []] = (await client.text("SELECT current_setting('server_version_num')::integer / 10000")).rows;
  return {
    cursor: await latestStaged(client, quote, target, relation),
    ...hashedFacts(target, { rows, engine: engine ?? "", typeName: columnTypeName }),
    sample: await sampleOf(client, POSTGRES_CHECKS, { text: `SELECT * FROM ${relation}`, parameters: [] }),
  };
}
