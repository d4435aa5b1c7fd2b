import { ContractError } from "../errors.ts";
import type { Client } from "./client.ts";
import { PREPARED } from "./ledger.ts";
import { literal, ownTable, tableName } from "./quote.ts";
import { onCluster } from "./tables.ts";

/**
 * Those of the assets whose tables are replicated.
 *
 * @param assetKeys `schema/table`.
 * @throws ContractError where no cluster is configured, so that the inserts of the other replicas would not be seen
 */
export async function replicatedOf(client: Client, assetKeys: readonly string[], view: string): Promise<string[]> {
  if (assetKeys.length === 0) return [];
  const list = assetKeys.map((key) => `(${key.split("/").map(literal).join(", ")})`).join(", ");
  const { rows } = await client.text(
    `SELECT concat(database, '/', name) FROM system.tables WHERE engine LIKE 'Replicated%' AND (database, name) IN (${list})`,
  );
  const keys = rows.map(([key]) => key ?? "");
  if (keys.length > 0 && client.config.cluster === null) {
    throw new ContractError(
      `${view} reads ${keys.join(", ")}, which is replicated, and inserts on its other replicas cannot be seen: name the cluster in CLICKHOUSE_CLUSTER`,
    );
  }
  return keys;
}

/** Waits until this replica has what was inserted on the others. */
export async function syncReplicas(client: Client, assetKeys: readonly string[]): Promise<void> {
  for (const key of assetKeys) await client.run(`SYSTEM SYNC REPLICA ${tableName(key)}`);
}

/**
 * Waits until all replicas have the rows of one of the runtime's own tables, and the lines that were prepared: it is going
 * to be read on each of them, and its line to count, whichever is asked.
 */
export async function syncOwn(client: Client, name: string): Promise<void> {
  if (client.config.cluster === null) return;
  for (const table of [ownTable(name), PREPARED])
    await client.run(`SYSTEM SYNC REPLICA${onCluster(client)} ${table} LIGHTWEIGHT`);
}
