import { ContractError } from "../errors.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client, StatementOptions } from "./client.ts";
import { createOwnTables } from "./ledger.ts";
import { type IsOpen, removeDeadLocks } from "./lock.ts";
import { isAlive, ownName, siblingOf, tryGetOwner } from "./names.ts";
import { assetHash, OWN_DATABASE } from "./quote.ts";
import { getPlace, sameColumns, type Table } from "./place.ts";
import { isOnAllReplicas } from "./replicated_engine.ts";
import { createFromContract, createLike, createPlain, createTwin, dropOwn, listOwn, sayDifferences } from "./tables.ts";

/** An engine that keeps all rows as they are. */
const PLAIN_ENGINE = /^(Replicated)?MergeTree\b/;

/**
 * Two blocks are written side by side, each of half the usual rows and bytes, so that they take the memory of one: of a
 * million rows of eight columns on two cores a query took 218 ms and not 259, a Parquet file 177 and not 237. More
 * threads or smaller blocks were not quicker.
 */
const SIDE_BY_SIDE: StatementOptions = {
  settings: {
    max_insert_threads: "2",
    min_insert_block_size_rows: "524288",
    min_insert_block_size_bytes: "134217728",
  },
};

/** An empty table for rows that nobody reads yet. */
export interface Stage {
  readonly name: string;
  /** The table that it was made like, so that its rows need not be written again; `undefined`: made from the contract. */
  readonly like: Table | undefined;
  /** For the statement that writes the rows of a query into it. */
  readonly options: StatementOptions;
}

/** Makes a staging table like the present one, so that its rows can be linked to it, or it can take its place. */
export async function createStage(client: Client, target: Target, attempt: Attempt): Promise<Stage> {
  const name = ownName("stage", target.assetKey, attempt.runId);
  const like = await makeStage(client, name, target, attempt);
  // Where an engine keeps the last of equal rows, parts are numbered in the order of the query.
  const options = like === undefined || PLAIN_ENGINE.test(like.engine) ? SIDE_BY_SIDE : {};
  return { name, like, options };
}

/** @returns the table that it was made like */
async function makeStage(client: Client, name: string, target: Target, attempt: Attempt): Promise<Table | undefined> {
  const { own, named, table: present } = await getPlace(client, target);
  await createOwnTables(
    client.unending(),
    own.map((table) => table.name),
  );
  if (named?.inner !== undefined && target.strategy.kind !== "replace") {
    throw new ContractError(
      `${target.assetKey} is an incremental view, to which no rows can be written: publish it once by replacing all of them, or drop it`,
    );
  }
  if (present === undefined) {
    await createFromContract(client, name, target);
    return undefined;
  }
  if (client.config.cluster !== null && !isOnAllReplicas(present.engine)) {
    throw new ContractError(
      `${target.assetKey} is a ${present.engine.split(/[ (]/)[0] ?? ""}, whose rows are on one node of the cluster (CLICKHOUSE_CLUSTER): ` +
        `a publish would leave the others without. Copy it into a replicated table, or drop it`,
    );
  }
  if (target.strategy.kind === "replace") {
    await createLike(client, name, present, target, attempt.log);
    return present;
  }
  await sayDifferences(client, present, target, attempt.log);
  // Of an engine that puts rows together, the table would not hold all that was staged.
  if (sameColumns(present.columns, target.columns) && PLAIN_ENGINE.test(present.engine)) {
    await createTwin(client, name, present, target);
    return present;
  }
  await createPlain(client, name, target);
  return undefined;
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
  await dropDead(client, names, isOpen, assetKey);
  if (assetKey === undefined) await removeDeadLocks(client, names, isOpen);
}

/**
 * Drops those of the runtime's own tables whose owners are gone.
 *
 * @returns whether there were any
 */
export async function dropDead(
  client: Client,
  names: readonly string[],
  isOpen: IsOpen,
  assetKey: string | undefined,
): Promise<boolean> {
  const dead = names.filter((name) => {
    const owner = tryGetOwner(name);
    if (owner === undefined || (assetKey !== undefined && owner.assetHash !== assetHash(assetKey))) return false;
    return !isAlive(owner, isOpen);
  });
  const isView = (name: string): boolean => ["inner", "feed"].includes(tryGetOwner(name)?.kind ?? "");
  for (const name of dead.filter((one) => !isView(one))) await dropOwn(client, name);
  // Only now can none of them come into place any more.
  const ofViews = dead.filter(isView);
  if (ofViews.length > 0) {
    const used = await usedInner(client);
    const unused = ofViews.filter((name) => !used.some((text) => text.includes(siblingOf(name, "inner"))));
    // An insert into a source fails when there is a feed without its table.
    for (const kind of ["feed", "inner"])
      for (const name of unused.filter((one) => tryGetOwner(one)?.kind === kind)) await dropOwn(client, name);
  }
  return dead.length > 0;
}

/** The texts of the views that people read over incremental rows. */
async function usedInner(client: Client): Promise<string[]> {
  const { rows } = await client.text({
    text: "SELECT create_table_query FROM system.tables WHERE engine = 'View' AND database <> {p1:String} AND position(create_table_query, '_inner~') > 0",
    parameters: [OWN_DATABASE],
  });
  return rows.map(([text]) => text ?? "");
}

/** Drops those inner tables that no view reads: of a publish without an answer nobody knows what became. */
export async function dropUnusedInner(client: Client, inners: readonly string[]): Promise<void> {
  const used = inners.length === 0 ? [] : await usedInner(client);
  for (const inner of inners) if (!used.some((text) => text.includes(inner))) await dropInner(client, inner);
}

/** Drops the inner table of a view that nobody reads any more, its feed first: a feed without its table fails inserts. */
export async function dropInner(client: Client, inner: string): Promise<void> {
  for (const name of [siblingOf(inner, "cut"), siblingOf(inner, "feed"), inner]) await dropOwn(client, name);
}
