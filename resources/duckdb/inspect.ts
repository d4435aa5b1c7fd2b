import { bucketOf } from "../check_rules.ts";
import { sampleOf } from "../checks.ts";
import { hashedFacts } from "../content_hash.ts";
import { latestStaged } from "../cursor.ts";
import type { StagedFacts, Target } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { rowHash } from "./dialect.ts";
import { quote } from "../quote.ts";
import { columnTypeName } from "./type_names.ts";

/**
 * Counts and hashes the rows of a relation. The hash is a sum of row hashes, so the order of the rows does not matter
 * and a doubled row does; 1.5 million rows take about 20 ms.
 */
export async function stagedFacts(
  client: Client,
  target: Pick<Target, "columns" | "cursorColumn" | "buckets">,
  relation: string,
): Promise<StagedFacts> {
  const names = target.columns.map(({ name }) => quote(name)).join(", ");
  const bucket = bucketOf(DUCKDB_CHECKS, target);
  const { rows } = await client.text(
    bucket === ""
      ? `SELECT count(*), sum(${rowHash(names)}) FROM ${relation}`
      : `SELECT ${bucket}, count(*), sum(${rowHash(names)}) FROM ${relation} GROUP BY ${bucket}`,
  );
  // The engine's hash function may change between versions.
  const [[engine] = []] = (await client.text("SELECT version()")).rows;
  return {
    cursor: await latestStaged(client, quote, target, relation),
    ...hashedFacts(target, { rows, engine: engine ?? "", typeName: columnTypeName }),
    sample: await sampleOf(client, DUCKDB_CHECKS, { text: `SELECT * FROM ${relation}`, parameters: [] }),
  };
}
