import { ContractError } from "../errors.ts";
import type { Client } from "./client.ts";
import { literal, tableName } from "./quote.ts";

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
