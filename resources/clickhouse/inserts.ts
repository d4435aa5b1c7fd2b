import type { Client } from "./client.ts";
import { literal, OWN_DATABASE } from "./quote.ts";

const NAME = String.raw`\`(?:[^\`\\]|\\.)+\`|"(?:[^"\\]|\\.)+"|[A-Za-z_]\w*`;
/** The table that an insert names. */
const TARGET = new RegExp(
  `^\\s*INSERT\\s+INTO\\s+(?:TABLE\\s+)?(?!FUNCTION\\b)(?:(${NAME})\\s*\\.\\s*)?(${NAME})`,
  "i",
);

/** One partition of a table: its highest block, and its rows. */
export type PartitionBlocks = readonly [partition: string, block: string, rows: string];

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
     SELECT running, '', '', '', ''
     UNION ALL
     SELECT running, concat(database, '/', table), partition_id, toString(max(max_block_number)), toString(sumIf(rows, active))
     FROM system.parts WHERE ${list === "" ? "false" : `(database, table) IN (${list})`}
     GROUP BY database, table, partition_id`,
  );
  const blocks = new Map<string, PartitionBlocks[]>();
  const sorted = rows.map((row) => row.map((value) => value ?? "")).sort((a, b) => (String(a) < String(b) ? -1 : 1));
  for (const [, key = "", partition = "", block = "", count = ""] of sorted)
    if (key !== "") blocks.set(key, [...(blocks.get(key) ?? []), [partition, block, count]]);
  return { blocks, running: JSON.parse(rows[0]?.[0] ?? "[]") as RunningInsert[] };
}

/**
 * Whether one of the running inserts may write into one of the tables. One into a plain table on which no view hangs goes
 * nowhere else; of any other it is not known where its rows end up.
 *
 * @param assetKeys `schema/table`.
 */
export async function mayReach(
  client: Client,
  running: readonly RunningInsert[],
  assetKeys: readonly string[],
): Promise<boolean> {
  const targets = new Set<string>();
  for (const [query, current] of running) {
    const found = TARGET.exec(query);
    if (found === null) return true;
    const [, database, table] = found;
    const name = JSON.stringify([database === undefined ? current : bare(database), bare(table ?? "")]);
    if (assetKeys.some((key) => JSON.stringify(key.split("/")) === name)) return true;
    targets.add(name);
  }
  const others = [...targets]
    .map((name) => JSON.parse(name) as [database: string, table: string])
    // Nothing hangs on the runtime's own tables.
    .filter(([database]) => database !== OWN_DATABASE);
  if (others.length === 0) return false;
  const list = others.map((name) => `(${name.map(literal).join(", ")})`).join(", ");
  const plain = await client.text(
    `SELECT count() FROM system.tables WHERE (database, name) IN (${list}) AND engine LIKE '%MergeTree' AND empty(dependencies_table)`,
  );
  return plain.rows[0]?.[0] !== String(others.length);
}

function bare(name: string): string {
  return /^[`"]/.test(name) ? name.slice(1, -1).replaceAll(/\\(.)/g, "$1") : name;
}
