import { setTimeout as wait } from "node:timers/promises";
import { thisProcess } from "../process_identity.ts";
import type { Attempt } from "../store.ts";
import type { Client } from "./client.ts";
import { EXCEPTION, StatementError, TableLockedError } from "./errors.ts";
import { isAlive, type Owner } from "./names.ts";
import { assetHash, literal, OWN_DATABASE, ownTable } from "./quote.ts";
import { onCluster } from "./tables.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;
const MESSAGE_EVERY_MS = 30_000;

/** Whether the orchestrator may still be running a run. */
export type IsOpen = (runId: string) => boolean;

/**
 * Runs `act` while no other process publishes the same asset. Dagster runs the partitions of a backfill side by side;
 * each makes a copy of the table and puts it in its place, so two at once would lose one of them.
 *
 * ClickHouse has no locks, but of two that make a table of the same name one fails. The lock is an empty table whose
 * comment says who has it; a lock whose owner is dead is taken away.
 *
 * @throws TableLockedError
 */
export async function withLock<T>(
  client: Client,
  assetKey: string,
  attempt: Attempt,
  isOpen: IsOpen,
  act: () => Promise<T>,
): Promise<T> {
  const name = `_lock~${assetHash(assetKey)}`;
  await take(client, name, assetKey, attempt, isOpen);
  try {
    return await act();
  } finally {
    await release(client.unending(), name).catch((error: unknown) => {
      attempt.log(`The lock of ${assetKey} could not be given back; it ends with this process: ${String(error)}`);
    });
  }
}

async function take(client: Client, name: string, assetKey: string, attempt: Attempt, isOpen: IsOpen): Promise<void> {
  const owner: Owner = { runId: attempt.runId, process: thisProcess() };
  const start = performance.now();
  let nextMessage = 1_000;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_WAIT_MS)) {
    try {
      await client.run(
        `CREATE TABLE ${ownTable(name)}${onCluster(client)} (nothing UInt8) ENGINE = Null COMMENT ${literal(JSON.stringify(owner))}`,
      );
      return;
    } catch (error) {
      if (!(error instanceof StatementError) || error.exceptionCode !== EXCEPTION.TABLE_ALREADY_EXISTS) throw error;
    }
    const holder = await tryGetHolder(client, name);
    if (holder === undefined) continue;
    if (!isAlive(holder, isOpen)) {
      await takeAway(client, name, holder);
      continue;
    }
    const waited = performance.now() - start;
    if (waited >= client.config.lockTimeoutMs) {
      throw new TableLockedError(
        `${assetKey} was still being published by run ${holder.runId} after ${Math.round(waited / 1000)} s ` +
          `(CLICKHOUSE_LOCK_TIMEOUT_SECONDS). If that run is dead, drop the table ${OWN_DATABASE}.\`${name}\``,
      );
    }
    if (waited >= nextMessage) {
      attempt.log(`Waiting for run ${holder.runId}, which publishes ${assetKey}`);
      nextMessage = waited + MESSAGE_EVERY_MS;
    }
    await wait(waitMs * (0.5 + Math.random()), undefined, { signal: attempt.signal }).catch((aborted: unknown) => {
      attempt.signal.throwIfAborted();
      throw aborted;
    });
  }
}

async function release(client: Client, name: string): Promise<void> {
  await client.run(`DROP TABLE IF EXISTS ${ownTable(name)}${onCluster(client)}`);
}

interface Holder extends Owner {
  readonly uuid: string;
}

async function tryGetHolder(client: Client, name: string): Promise<Holder | undefined> {
  const { rows } = await client.text({
    text: "SELECT comment, toString(uuid) FROM system.tables WHERE database = {p1:String} AND name = {p2:String}",
    parameters: [OWN_DATABASE, name],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  return { ...(JSON.parse(row[0] ?? "{}") as Owner), uuid: row[1] ?? "" };
}

/**
 * Of several that find the same dead owner one takes the lock away: the name that it is moved to exists only once, and
 * belongs to this very lock.
 */
async function takeAway(client: Client, name: string, { uuid }: Holder): Promise<void> {
  const grave = `_dead~${uuid}`;
  try {
    await client.run(`RENAME TABLE ${ownTable(name)} TO ${ownTable(grave)}${onCluster(client)}`);
  } catch (error) {
    if (error instanceof StatementError && !error.retryable) return; // another was quicker
    throw error;
  }
  const moved = await tryGetHolder(client, grave);
  if (moved !== undefined && moved.uuid !== uuid) {
    // Another was quicker, and its lock was taken away instead: it gets it back.
    await client.run(`RENAME TABLE ${ownTable(grave)} TO ${ownTable(name)}${onCluster(client)}`);
    return;
  }
  await release(client, grave);
}

/** Removes the locks of dead owners. */
export async function removeDeadLocks(client: Client, names: readonly string[], isOpen: IsOpen): Promise<void> {
  for (const name of names) {
    if (name.startsWith("_dead~")) await release(client, name);
    if (!name.startsWith("_lock~")) continue;
    const holder = await tryGetHolder(client, name);
    if (holder !== undefined && !isAlive(holder, isOpen)) await takeAway(client, name, holder);
  }
}
