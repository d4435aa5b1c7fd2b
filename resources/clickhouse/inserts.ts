import type { Client } from "./client.ts";
import { literal, OWN_DATABASE } from "./quote.ts";

const NAME = String.raw`\`(?:[^\`\\]|\\.)+\`|"(?:[^"\\]|\\.)+"|[A-Za-z_]\w*`;
/** The table that an insert names. */
const TARGET = new RegExp(
  `^\\s*INSERT\\s+INTO\\s+(?:TABLE\\s+)?(?!FUNCTION\\b)(?:(${NAME})\\s*\\.\\s*)?(${NAME})`,
  "i",
);

/**
 * Whether an insert is running that may write into one of the tables. One into a plain table on which no view hangs goes
 * nowhere else; of any other it is not known where its rows end up.
 *
 * Needs the right to see the statements of others: `GRANT SHOW PROCESSES`.
 *
 * @param assetKeys `schema/table`.
 */
export async function mayInsert(client: Client, assetKeys: readonly string[]): Promise<boolean> {
  const { cluster } = client.config;
  const from = cluster === null ? "system.processes" : `clusterAllReplicas(${literal(cluster)}, system.processes)`;
  const { rows } = await client.text(
    `SELECT DISTINCT substring(query, 1, 1000), current_database FROM ${from} WHERE query_kind ILIKE '%insert%'`,
  );
  const targets = new Set<string>();
  for (const [query, current] of rows) {
    const found = TARGET.exec(query ?? "");
    if (found === null) return true;
    const [, database, table] = found;
    const name = JSON.stringify([database === undefined ? (current ?? "") : bare(database), bare(table ?? "")]);
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
