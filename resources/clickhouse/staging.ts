import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { type IsOpen, removeDeadLocks } from "./lock.ts";
import { isAlive, ownName, tryGetOwner } from "./names.ts";
import { assetHash } from "./quote.ts";
import {
  createFromContract,
  createLike,
  createPlain,
  createTwin,
  dropOwn,
  listOwn,
  sameColumns,
  sayDifferences,
  type Table,
  tryGetTable,
} from "./tables.ts";

/** An empty table for rows that nobody reads yet. */
export interface Stage {
  readonly name: string;
  /** The table that it was made like, so that it can take its place as it is; `undefined`: made from the contract. */
  readonly like: Table | undefined;
}

/** Makes a staging table; where the rows are to be the table or its partitions, one that can take their place. */
export async function createStage(client: Client, target: Target, attempt: Attempt): Promise<Stage> {
  const name = ownName("stage", target.assetKey, attempt.runId);
  const present = await tryGetTable(client, target.schema, target.table);
  if (present === undefined) {
    await createFromContract(client, name, target);
    return { name, like: undefined };
  }
  if (target.strategy.kind === "replace") {
    await createLike(client, name, present, target, attempt.log);
    return { name, like: present };
  }
  await sayDifferences(client, present, target, attempt.log);
  if (writesPartitions(present, target)) {
    await createTwin(client, name, target);
    return { name, like: present };
  }
  await createPlain(client, name, target);
  return { name, like: undefined };
}

/** Whether whole partitions of the table can be put in the place of the present ones. */
export function writesPartitions(present: Table, target: Target): boolean {
  return (
    target.strategy.kind === "replacePartitions" &&
    present.layout.clauses.partitionBy !== undefined &&
    sameColumns(present.columns, target.columns)
  );
}

/**
 * Drops the tables of processes that are gone: by their PID and start time where they ran on this machine, else by the
 * state of their run. Never by age.
 *
 * @param assetKey Only the tables of this asset; `undefined`: of all, and their locks.
 */
export async function dropOrphans(client: Client, isOpen: IsOpen, assetKey?: string): Promise<void> {
  const names = await listOwn(client);
  for (const name of names) {
    const owner = tryGetOwner(name);
    if (owner === undefined || (assetKey !== undefined && owner.assetHash !== assetHash(assetKey))) continue;
    if (!isAlive(owner, isOpen)) await dropOwn(client, name);
  }
  if (assetKey === undefined) await removeDeadLocks(client, names, isOpen);
}
