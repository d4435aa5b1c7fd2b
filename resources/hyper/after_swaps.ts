import { ProjectError } from "../../definitions/project_error.ts";
import { tableName } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import type { Attempt } from "../store.ts";
import type { Client, TextResult } from "./client.ts";
import type { Connections } from "./connections.ts";
import { ConflictError } from "./errors.ts";
import { hasTable } from "./has_table.ts";
import { inTurn } from "./in_turn.ts";
import { repairInTurn, swappedAssets } from "./swap.ts";

/** A table may be back when the list of swaps is looked at; it is missing when it was not found so often. */
const LOOKS = 3;

/** Who reads, by which session; outside of a transaction, which ends with the first table that is missing. */
export interface Reading {
  readonly client: Client;
  readonly connections: Connections;
  /** The asset for which it is read. */
  readonly assetKey: string;
  readonly attempt: Pick<Attempt, "signal" | "log">;
}

/**
 * Reads tables of assets that may be swapped just then, which are missing for an instant: then it is read again, until
 * they are there. A swap that was left by its process is ended.
 *
 * @throws TableLockedError when a swap takes longer than the limit of a publish's turn
 */
export async function afterSwaps<T>(
  { client, connections, assetKey, attempt }: Reading,
  read: () => Promise<T>,
): Promise<T> {
  let looks = 0;
  return await inTurn(`a table that ${assetKey} reads`, attempt, connections.lockTimeoutMs, async () => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ProjectError && error.code === "undefined_relation")) throw error;
      const isAway = await endLeftSwaps(client, connections);
      looks = isAway ? 0 : looks + 1;
      if (looks === LOOKS) throw error;
      throw new ConflictError("Hyper has to try again", "", error);
    }
  });
}

/** Whether a table is away for a swap; one whose process is gone is ended. */
async function endLeftSwaps(client: Client, connections: Connections): Promise<boolean> {
  let isAway = false;
  for (const assetKey of await swappedAssets(client)) {
    if (await hasTable(client, tableName(assetKey))) continue;
    isAway = true;
    await repairInTurn(connections, assetKey);
  }
  return isAway;
}

/** Runs queries as {@link afterSwaps} does, one by one. */
export function readerAfterSwaps(reading: Reading): { readonly text: (query: Statement) => Promise<TextResult> } {
  return { text: (query) => afterSwaps(reading, () => reading.client.text(query)) };
}
