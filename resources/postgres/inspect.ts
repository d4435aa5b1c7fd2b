import { createHash } from "node:crypto";
import { sampleOf } from "../checks.ts";
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
  target: Pick<Target, "columns">,
  relation: string,
): Promise<StagedFacts> {
  // Documents have no hash function of their own; -0 and 0 have one hash, but are two values.
  const values = target.columns.map(({ name, type }) =>
    type.kind === "json" || type.kind === "float64" ? `CAST(${quote(name)} AS text)` : quote(name),
  );
  const row = `pg_catalog.hash_record_extended(ROW(${values.join(", ")}), 0)`;
  const { rows } = await client.text(
    `SELECT count(*), sum(pg_catalog.hashint8extended(${row}, 0)),
      current_setting('server_version_num')::integer / 10000 FROM ${relation}`,
  );
  const [count, sum, engine] = rows[0] ?? [];
  const hash = createHash("sha256");
  // Names and types count as content; so does the engine, whose hash functions may change between versions.
  hash.update(
    JSON.stringify([target.columns.map(({ name, type }) => [name, columnTypeName(type)]), count, sum, engine]),
  );
  return {
    rowCount: BigInt(count ?? 0),
    contentHash: hash.digest("hex").slice(0, 32),
    sample: await sampleOf(client, POSTGRES_CHECKS, { text: `SELECT * FROM ${relation}`, parameters: [] }),
  };
}
