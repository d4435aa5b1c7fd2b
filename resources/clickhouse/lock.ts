import { randomUUID } from "node:crypto";
import { thisProcess } from "../process_identity.ts";
import type { Attempt } from "../store.ts";
import { tryUntilDone } from "../waiting.ts";
import type { Client } from "./client.ts";
import { EXCEPTION, LockLostError, ClickHouseStatementError, TableChangedError, TableLockedError } from "./errors.ts";
import { LAST_MUTATION } from "./mutations.ts";
import { isAlive, type Owner } from "./names.ts";
import type { OwnTable } from "./place.ts";
import { assetHash, literal, OWN_DATABASE, ownTable } from "./quote.ts";
import { onCluster } from "./tables.ts";

/** Whether the orchestrator may still be running a run. */
export type IsOpen = (runId: string) => boolean;

/** What had an asset's name when a table was made that is to take its place. */
export interface Standing {
  readonly schema: string;
  readonly table: string;
  /** The server's own text of it, which is empty for those who may not see it. */
  readonly definition: string;
  /** Its latest mutation, as `awaitMutations` found it; `undefined` where none of its rows are kept. */
  readonly mutation?: string | undefined;
}

/** A lock that is held. */
export interface Lock {
  /**
   * To be called right before what only the owner may do.
   *
   * @throws LockLostError when the lock is another's by now, such as after somebody dropped it by hand
   * @throws TableChangedError when what stands there is another by now: what people added would be lost
   */
  readonly requireHeld: (standing?: Standing) => Promise<void>;
  /**
   * The same by a look that was taken just now. The lock is then given back without another one, unless `act` fails:
   * should it be another's in that instant, that one is told before it acts.
   *
   * @throws LockLostError
   */
  readonly requireIn: (own: readonly OwnTable[]) => void;
  /** Gives it back before the end, when nothing is left that only the owner may do; never throws. */
  readonly giveBack: () => Promise<void>;
}

/**
 * Runs `act` while no other process publishes the same asset. Dagster runs the partitions of a backfill side by side;
 * each makes a copy of the table and puts it in its place, so two at once would lose one of them.
 *
 * ClickHouse has no locks, but of two that make a table of the same name one fails. The lock is an empty table whose
 * comment says who has it; a lock whose owner is dead is taken away.
 *
 * @throws TableLockedError, LockLostError
 */
export async function withLock<T>(
  client: Client,
  assetKey: string,
  attempt: Attempt,
  isOpen: IsOpen,
  act: (lock: Lock) => Promise<T>,
): Promise<T> {
  const name = `_lock~${assetHash(assetKey)}`;
  const token = await take(client, name, assetKey, attempt, isOpen);
  let isSeen = false;
  let givenBack: Promise<void> | undefined;
  const requireOurs = (holder: Claimant | undefined): void => {
    if (holder?.token === token) return;
    throw new LockLostError(
      `${assetKey}: the lock of its table was taken away meanwhile; nothing was put in its place`,
    );
  };
  const requireHeld = async (standing?: Standing): Promise<void> => {
    const { holder, definition, mutation } = await lookAgain(client, name, standing);
    requireOurs(holder);
    if (standing === undefined) return;
    if (definition === standing.definition && (standing.mutation ?? mutation) === mutation) return;
    throw new TableChangedError(
      `${assetKey}: the table was altered while another was made to take its place; nothing was put there`,
    );
  };
  const requireIn = (own: readonly OwnTable[]): void => {
    requireOurs(toHolder(own.find((table) => table.name === name)));
    isSeen = true;
  };
  const giveBack = (): Promise<void> => {
    const unending = client.unending();
    givenBack ??= (isSeen ? drop(unending, name) : release(unending, name, token)).catch((error: unknown) => {
      attempt.log(`The lock of ${assetKey} could not be given back; it ends with this process: ${String(error)}`);
    });
    return givenBack;
  };
  try {
    return await act({ requireHeld, requireIn, giveBack });
  } catch (error) {
    isSeen = false;
    throw error;
  } finally {
    await giveBack();
  }
}

/** @returns what tells this lock from every other */
async function take(client: Client, name: string, assetKey: string, attempt: Attempt, isOpen: IsOpen): Promise<string> {
  const token = randomUUID();
  const owner = { runId: attempt.runId, process: thisProcess(), token };
  const { signal, log } = attempt;
  return await tryUntilDone({ timeoutMs: client.config.lockTimeoutMs, signal, log }, async () => {
    for (;;) {
      if (await tryCreate(client, name, owner)) return { done: token };
      const holder = await tryGetHolder(client, name);
      if (holder === undefined) continue;
      if (!isAlive(holder, isOpen) && (await tryTakeAway(client, name, holder, attempt.runId, isOpen))) continue;
      return {
        message: `Waiting for run ${holder.runId}, which publishes ${assetKey}`,
        timedOut: (seconds) =>
          new TableLockedError(
            `${assetKey} was still being published by run ${holder.runId} after ${seconds} s ` +
              `(CLICKHOUSE_LOCK_TIMEOUT_SECONDS). If that run is dead, drop the table ${OWN_DATABASE}.\`${name}\``,
          ),
      };
    }
  });
}

interface Claimant extends Owner {
  readonly token: string;
}

interface Holder extends Claimant {
  readonly uuid: string;
}

async function tryCreate(client: Client, name: string, owner: Claimant): Promise<boolean> {
  try {
    await client.run(
      `CREATE TABLE ${ownTable(name)}${onCluster(client)} (nothing UInt8) ENGINE = Null COMMENT ${literal(JSON.stringify(owner))}`,
    );
    return true;
  } catch (error) {
    if (error instanceof ClickHouseStatementError && error.exceptionCode === EXCEPTION.TABLE_ALREADY_EXISTS)
      return false;
    throw error;
  }
}

async function tryGetHolder(client: Client, name: string): Promise<Holder | undefined> {
  return (await lookAgain(client, name)).holder;
}

/** Who has a lock, and by the same statement text and latest mutation of what stands in a place, empty when nothing does. */
async function lookAgain(
  client: Client,
  name: string,
  place?: Pick<Standing, "schema" | "table">,
): Promise<{ readonly holder: Holder | undefined; readonly definition: string; readonly mutation: string }> {
  const standing = `(
      SELECT any(create_table_query) FROM system.tables WHERE database = {p3:String} AND name = {p4:String}
    ), (
      SELECT ${LAST_MUTATION} FROM system.mutations WHERE database = {p3:String} AND table = {p4:String}
    )`;
  const { rows } = await client.text({
    text: `SELECT comment, toString(uuid), ${place === undefined ? "'', ''" : standing}
      FROM system.tables WHERE database = {p1:String} AND name = {p2:String}`,
    parameters: [OWN_DATABASE, name, ...(place === undefined ? [] : [place.schema, place.table])],
  });
  const [row] = rows;
  const holder = toHolder(row === undefined ? undefined : { comment: row[0] ?? "", uuid: row[1] ?? "" });
  return { holder, definition: row?.[2] ?? "", mutation: row?.[3] ?? "" };
}

function toHolder(table: Pick<OwnTable, "comment" | "uuid"> | undefined): Holder | undefined {
  return table === undefined ? undefined : { ...(JSON.parse(table.comment || "{}") as Claimant), uuid: table.uuid };
}

/** Gives back what is still ours; nobody else takes it away, as its owner is alive. */
async function release(client: Client, name: string, token: string): Promise<void> {
  if ((await tryGetHolder(client, name))?.token === token) await drop(client, name);
}

async function drop(client: Client, name: string): Promise<void> {
  await client.run(`DROP TABLE IF EXISTS ${ownTable(name)}${onCluster(client)}`);
}

/**
 * Takes the lock of a dead owner away. A statement can only name the lock, not the owner: so the right to take this very
 * lock away is itself a lock, named by its UUID, and only who has that looks again and drops. Whoever comes later finds
 * another UUID, and leaves it alone. A claim whose owner is dead is taken away in the same way.
 *
 * @returns false when another is at it
 */
async function tryTakeAway(
  client: Client,
  name: string,
  { uuid }: Holder,
  runId: string,
  isOpen: IsOpen,
): Promise<boolean> {
  const claim = `_claim~${uuid}`;
  const token = randomUUID();
  if (!(await tryCreate(client, claim, { runId, process: thisProcess(), token }))) {
    const other = await tryGetHolder(client, claim);
    if (other === undefined || isAlive(other, isOpen)) return false;
    return await tryTakeAway(client, claim, other, runId, isOpen);
  }
  try {
    if ((await tryGetHolder(client, name))?.uuid === uuid) await drop(client, name);
  } finally {
    await release(client.unending(), claim, token);
  }
  return true;
}

/** Removes the locks of dead owners. */
export async function removeDeadLocks(client: Client, names: readonly string[], isOpen: IsOpen): Promise<void> {
  for (const name of names) {
    if (!name.startsWith("_lock~") && !name.startsWith("_claim~")) continue;
    const holder = await tryGetHolder(client, name);
    if (holder !== undefined && !isAlive(holder, isOpen)) await tryTakeAway(client, name, holder, "no run", isOpen);
  }
}
