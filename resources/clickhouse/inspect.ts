import type { Column, ColumnType } from "../../definitions/column_type.ts";
import { bucketOf } from "../check_rules.ts";
import { hashedFacts } from "../content_hash.ts";
import { latestStaged } from "../cursor.ts";
import type { Statement } from "../render_sql.ts";
import type { Sample, StagedFacts, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames, requireNone, type ValueRule } from "./contract.ts";
import { literal, quote } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** Rows shown in metadata. */
const SAMPLE_ROWS = 5;

/**
 * Counts and hashes the rows of a table. The hash is a sum of row hashes, so the order of the rows does not matter and a
 * doubled row does.
 *
 * @param rules Held in the same pass. @throws ContractError for rows that break one
 */
export async function stagedFacts(
  client: Client,
  target: Pick<Target, "assetKey" | "columns" | "cursorColumn" | "buckets">,
  relation: string,
  rules: readonly ValueRule[] = [],
): Promise<StagedFacts> {
  const parts = target.columns.flatMap(hashedColumn).join(", ");
  const bucket = bucketOf(BUCKET_SYNTAX, target);
  // Wide enough not to overflow: the sums of buckets add up to that of all.
  const sum = `sum(toUInt128(cityHash64(${parts})))`;
  const bad = rules.map((rule) => `, countIf(${rule.bad})`).join("");
  const { rows } = await client.text(
    bucket === ""
      ? `SELECT count(), ${sum}${bad} FROM ${relation}`
      : `SELECT ${bucket}, count(), ${sum}${bad} FROM ${relation} GROUP BY ${bucket}`,
  );
  const counts = rows.map((row) => row.slice(row.length - rules.length));
  requireNone(
    rules,
    rules.map((_rule, index) => String(counts.reduce((total, row) => total + BigInt(row[index] ?? 0), 0n))),
    target,
  );
  const hashed = rows.map((row) => row.slice(0, row.length - rules.length));
  return {
    cursor: await latestStaged(client, quote, target, relation),
    ...hashedFacts(target, { rows: hashed, typeName: columnTypeName }),
    sample: await sampleOf(client, { text: `SELECT ${columnNames(target)} FROM ${relation}`, parameters: [] }),
  };
}

/** How ClickHouse tells the bucket of a row. */
export const BUCKET_SYNTAX = {
  quote,
  epoch: (name: string, { kind }: Pick<ColumnType, "kind">): string =>
    kind === "date" ? `(toInt64(toInt32(${name})) * 86400)` : `(toUnixTimestamp64Micro(${name}) / 1e6)`,
};

/** The hash of anything with NULL is NULL, so what is NULL is hashed beside the values. */
function hashedColumn({ name, type, nullable }: Column): string[] {
  const column = quote(name);
  if (!nullable) return [column];
  return [`isNull(${column})`, `ifNull(${column}, defaultValueOfTypeName(${literal(columnTypeName(type))}))`];
}

/** The first rows of a query. */
export async function sampleOf(client: Client, { text, parameters }: Statement): Promise<Sample> {
  return await client.text({ text: `SELECT * FROM (${text}\n) AS sampled LIMIT ${SAMPLE_ROWS}`, parameters });
}
