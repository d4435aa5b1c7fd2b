import type { Client } from "./client.ts";
import { bare, literal, NAME } from "./quote.ts";
import { mayLeadTo, type TableName } from "./reach.ts";

/** The table that an insert names. */
const TARGET = new RegExp(
  `^\\s*INSERT\\s+INTO\\s+(?:TABLE\\s+)?(?!FUNCTION\\b)(?:(${NAME})\\s*\\.\\s*)?(${NAME})`,
  "i",
);

/** An insert whose rows leave the server; where those of other functions go is not known: `remote` may name this server. */
const EXPORT =
  /^\s*INSERT\s+INTO\s+(?:TABLE\s+)?FUNCTION\s+(?:file|url|s3|s3Cluster|gcs|hdfs|azureBlobStorage|null|postgresql|mysql|sqlite|mongodb|redis)\s*\(/i;

/** One partition of a table: its highest block, its rows, and the first block of those; merges leave it as it is. */
export type PartitionBlocks = readonly [partition: string, block: string, rows: string, first: string];

/** What was inserted into tables, and what may just be. */
export interface Inserted {
  /** Asset to the blocks of its table. */
  readonly blocks: ReadonlyMap<string, readonly PartitionBlocks[]>;
  /** Inserts that were running before the blocks were looked up. */
  readonly running: readonly RunningInsert[];
}

type RunningInsert = readonly [query: string, database: string];

/**
 * Looks which inserts are running, and after that which blocks the tables have; in one statement, since the next look must
 * follow soon: a subquery of one value is run before the query around it.
 *
 * @param assetKeys `schema/table`.
 */
export async function lookAtInserts(client: Client, assetKeys: readonly string[]): Promise<Inserted> {
  const { cluster } = client.config;
  const from = cluster === null ? "system.processes" : `clusterAllReplicas(${literal(cluster)}, system.processes)`;
  const list = assetKeys.map((key) => `(${key.split("/").map(literal).join(", ")})`).join(", ");
  const { rows } = await client.text(
    `WITH (
       SELECT toJSONString(groupUniqArray([substring(query, 1, 1000), current_database]))
       FROM ${from} WHERE query_kind ILIKE '%insert%'
     ) AS running
     SELECT running, '', '', '', '', ''
     UNION ALL
     SELECT running, concat(database, '/', table), partition_id, toString(max(max_block_number)), toString(sumIf(rows, active)),
       toString(minIf(min_block_number, active))
     FROM system.parts WHERE ${list === "" ? "false" : `(database, table) IN (${list}) AND NOT startsWith(partition_id, 'patch-')`}
     GROUP BY database, table, partition_id`,
  );
  const blocks = new Map<string, PartitionBlocks[]>();
  const sorted = rows.map((row) => row.map((value) => value ?? "")).sort((a, b) => (String(a) < String(b) ? -1 : 1));
  for (const [, key = "", partition = "", block = "", count = "", first = ""] of sorted)
    if (key !== "") blocks.set(key, [...(blocks.get(key) ?? []), [partition, block, count, first]]);
  return { blocks, running: JSON.parse(rows[0]?.[0] ?? "[]") as RunningInsert[] };
}

/**
 * Whether one of the running inserts may write into one of the tables.
 *
 * @param assetKeys `schema/table`.
 */
export async function mayReach(
  client: Client,
  running: readonly RunningInsert[],
  assetKeys: readonly string[],
): Promise<boolean> {
  const targets = new Map<string, TableName>();
  for (const [query, current] of running) {
    if (EXPORT.test(query)) continue;
    const found = TARGET.exec(query);
    if (found === null) return true;
    const [, database, table] = found;
    const name = [database === undefined ? current : bare(database), bare(table ?? "")] as const;
    targets.set(JSON.stringify(name), name);
  }
  return await mayLeadTo(client, [...targets.values()], assetKeys);
}
