import { createHash } from "node:crypto";
import type { Column } from "../../definitions/column_type.ts";
import type { Statement } from "../render_sql.ts";
import type { Sample, StagedFacts, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { literal, quote } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** Rows shown in metadata. */
const SAMPLE_ROWS = 5;

/**
 * Counts and hashes the rows of a table. The hash is a sum of row hashes, so the order of the rows does not matter and a
 * doubled row does.
 */
export async function stagedFacts(
  client: Client,
  target: Pick<Target, "columns">,
  relation: string,
): Promise<StagedFacts> {
  const parts = target.columns.flatMap(hashed).join(", ");
  const { rows } = await client.text(`SELECT count(), sum(cityHash64(${parts})) FROM ${relation}`);
  const [count, sum] = rows[0] ?? [];
  const hash = createHash("sha256");
  // Names and types count as content.
  hash.update(JSON.stringify([target.columns.map(({ name, type }) => [name, columnTypeName(type)]), count, sum]));
  return {
    rowCount: BigInt(count ?? 0),
    contentHash: hash.digest("hex").slice(0, 32),
    sample: await sampleOf(client, { text: `SELECT ${columnNames(target)} FROM ${relation}`, parameters: [] }),
  };
}

/** The hash of anything with NULL is NULL, so what is NULL is hashed beside the values. */
function hashed({ name, type, nullable }: Column): string[] {
  const column = quote(name);
  if (!nullable) return [column];
  return [`isNull(${column})`, `ifNull(${column}, defaultValueOfTypeName(${literal(columnTypeName(type))}))`];
}

/** The first rows of a query. */
export async function sampleOf(client: Client, { text, parameters }: Statement): Promise<Sample> {
  return await client.text({ text: `SELECT * FROM (${text}\n) AS sampled LIMIT ${SAMPLE_ROWS}`, parameters });
}
