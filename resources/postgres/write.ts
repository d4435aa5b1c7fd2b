import { ContractError, StatementError } from "../errors.ts";
import { outsideError } from "../partition_set.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { DuplicateKeyError, MissingPartitionError } from "./errors.ts";
import { swapObstacles } from "./hanging.ts";
import { addIndexes, duplicateKey, tableIndexOf } from "./indexes.ts";
import { inside, requireUnique, writeInPlace } from "./in_place.ts";
import { createSchema } from "./ledger.ts";
import { type LockWait, lockWaiting, withLockWaits } from "./lock_wait.ts";
import { declaredLayout, layoutNote, presentLayout, type PresentLayout } from "./layout.ts";
import { addPartitions, partitionStage } from "./partitions.ts";
import type { StagingTable } from "./staging.ts";
import { swap } from "./swap.ts";
import { addColumns, type Relation, tryGetRelation } from "./table.ts";

/** Whether a publish may take the staging table itself as the table, so that it should be a lasting one. */
export async function expectsSwap(client: Client, target: Target): Promise<boolean> {
  // Rows go from there into partitions.
  if (declaredLayout(target) !== undefined) return false;
  const found = await tryGetRelation(client, target);
  if (found === undefined || found.kind !== "TABLE") return true;
  return target.strategy.kind === "replace" && (await swapObstacles(client, found.oid)).length === 0;
}

/**
 * Makes the staged rows the table's, as the target's strategy says; inside a transaction. The staging table is gone.
 *
 * @returns Whether partitions were attached to a table that stays, so that {@link keepReadersOut} is to end the publish.
 */
export async function writeStaged(
  client: Client,
  target: Target,
  stage: StagingTable,
  locks: LockWait,
): Promise<boolean> {
  const { strategy } = target;
  if (strategy.kind === "replacePartitions") await requireInside(client, target, stage.name);
  if (strategy.kind === "merge") await requireUnique(client, target, stage.name, strategy.key);
  // Names that the server writes are whole then; and no policy hides a row that is to be replaced.
  await client.script(["SET LOCAL search_path = pg_catalog", "SET LOCAL row_security = off"]);
  const found = await tryGetRelation(client, target);
  const table = found ?? (await createTable(client, target));
  let why = `written by ${strategy.kind}`;
  if (found === undefined || strategy.kind === "replace" || found.kind !== "TABLE") {
    const obstacle = await trySwap(client, target, table, stage, locks);
    if (obstacle === undefined) {
      await describe(client, target, "TABLE");
      return false;
    }
    why = `it cannot be swapped: ${obstacle}`;
  }
  if (table.kind !== "TABLE") throw new ContractError(notReplaceable(target, table, why));
  // Without a lock of its own on the table: its vacuum, which deleted rows need, would give way each time.
  await addColumns(client, target, { oid: table.oid, why, locks });
  const layout = await presentLayout(client, target, table.oid);
  const attached = await withLockWaits(client, () => writeKept(client, target, { table, stage, layout, locks }));
  const note = layoutNote(target, layout, why);
  if (note !== undefined) locks.log(note);
  return attached;
}

/** Writes into a table that stays; whether partitions were attached to it. */
async function writeKept(
  client: Client,
  target: Target,
  {
    table,
    stage,
    layout,
    locks,
  }: {
    readonly table: Relation;
    readonly stage: StagingTable;
    readonly layout: PresentLayout;
    readonly locks: LockWait;
  },
): Promise<boolean> {
  const added =
    typeof layout === "object"
      ? await addPartitions(client, target, table.oid, stage.name, layout)
      : { attached: false, refused: [] };
  // As the statements do, but so that others wait behind it for a moment only.
  const name = tableName(target.assetKey);
  await lockWaiting(client, name, [`LOCK TABLE ${name} IN ROW EXCLUSIVE MODE`], locks);
  await client.run("SAVEPOINT writing");
  for (let isAgain = target.strategy.kind === "append"; ; isAgain = true) {
    try {
      await writeInPlace(client, target, table.oid, stage);
      break;
    } catch (error) {
      if (error instanceof MissingPartitionError) throw missingPartition(target, error, added.refused);
      if (!(error instanceof DuplicateKeyError)) throw error;
      await client.run("ROLLBACK TO SAVEPOINT writing");
      // The key may be of a row that another transaction has just committed: the next statement sees and replaces it.
      if (isAgain) throw duplicateKey(target, error, await tableIndexOf(client, error.index));
    }
  }
  await client.run("RELEASE SAVEPOINT writing");
  await client.run(`DROP TABLE ${stage.name}`);
  await addIndexes(client, target, table, locks.log);
  await describe(client, target, "TABLE");
  return added.attached;
}

/** Why a materialised view cannot become a table or another view, for people. */
export function notReplaceable({ assetKey }: Target, { kind }: Relation, why: string): string {
  const name = tableName(assetKey);
  return (
    `${name} is a ${kind.toLowerCase()} that cannot give its name to what ${assetKey} is now: ${why}. Nothing was ` +
    `published. Drop what hangs on it and run again, or drop it: DROP ${kind} ${name}`
  );
}

/** What to do about rows for which there is no partition. */
function missingPartition(
  { assetKey }: Target,
  { statement, cause }: MissingPartitionError,
  refused: readonly string[],
): MissingPartitionError {
  const why = refused.length === 0 ? "" : `. Not made, since others are in the way: ${refused.join("; ")}`;
  return new MissingPartitionError(
    `${assetKey}: ${tableName(assetKey)} has no partition for some rows; nothing was published. Attach one that takes ` +
      `them, or detach what is in its way (a detach that was interrupted: DETACH PARTITION … FINALIZE)${why}. PostgreSQL says`,
    statement,
    cause,
  );
}

/** @returns Why it cannot be; then nothing has happened. */
async function trySwap(
  client: Client,
  target: Target,
  old: Relation,
  stage: StagingTable,
  locks: LockWait,
): Promise<string | undefined> {
  const obstacles = (): Promise<string[]> =>
    swapObstacles(client, old.oid, old.kind === "TABLE" ? {} : { except: "views" });
  const known = await obstacles();
  if (known.length > 0) return known.join(", ");
  await client.run("SAVEPOINT swapping");
  let obstacle: string | undefined;
  try {
    const layout = declaredLayout(target);
    const staged = layout === undefined ? stage : await partitionStage(client, target, stage, layout);
    obstacle = await swap(client, target, old, staged, { locks, obstacles });
  } catch (error) {
    // Whatever else hangs on the table, and what this user may not do: the rows can still be replaced in place.
    if (!(error instanceof StatementError) || !canStay(error)) throw error;
    obstacle = error.message;
  }
  if (obstacle === undefined) await client.run("RELEASE SAVEPOINT swapping");
  else await client.script(["ROLLBACK TO SAVEPOINT swapping", "RELEASE SAVEPOINT swapping"]);
  return obstacle;
}

/** Rows that an index refuses would be refused in place too, and time-outs and lost connections are none of it. */
function canStay({ code, message }: StatementError): boolean {
  return (
    code === "permission_denied" || (code === "statement_failed" && /\((2BP01|0A000|42[0-9A-Z]{3})\)/.test(message))
  );
}

/** An empty table, made where it belongs: with the privileges that the schema's owner has set for new tables. */
async function createTable(client: Client, target: Target): Promise<Relation> {
  await createSchema(client, target.schema);
  await client.run(`CREATE TABLE ${tableName(target.assetKey)} (${columnDefinitions(target)})`);
  const made = await tryGetRelation(client, target);
  if (made === undefined) throw new TypeError(`${tableName(target.assetKey)} was made and is not there`);
  return made;
}

/**
 * The descriptions, where every other client sees them; where there is none, what people wrote stays. Only those that
 * differ: a comment takes a lock that the table's vacuum has, and an index that people make concurrently.
 */
export async function describe(client: Client, target: Target, kind: Relation["kind"]): Promise<void> {
  const name = tableName(target.assetKey);
  const { rows } = await client.text({
    text: `
      SELECT NULL, pg_catalog.obj_description(oid, 'pg_class') FROM pg_catalog.pg_class
      -- Who may write the rows of a table of somebody else may not comment on it.
      WHERE oid = $1::regclass AND pg_catalog.pg_has_role(relowner, 'USAGE')
      UNION ALL SELECT attname, pg_catalog.col_description(attrelid, attnum)
      FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class AS c ON c.oid = attrelid
      WHERE attrelid = $1::regclass AND attnum > 0 AND pg_catalog.pg_has_role(relowner, 'USAGE')`,
    parameters: [name],
  });
  const present = new Map(rows.map(([column, description]) => [column, description]));
  const comments = [
    { of: null, on: `${kind} ${name}`, description: target.description },
    ...target.columns.map((column) => ({
      of: column.name,
      on: `COLUMN ${name}.${quote(column.name)}`,
      description: column.description,
    })),
  ];
  await client.script(
    comments.flatMap(({ of, on, description }) =>
      description === null || !present.has(of) || present.get(of) === description
        ? []
        : [`COMMENT ON ${on} IS ${literal(description)}`],
    ),
  );
}

async function requireInside(client: Client, target: Target, stage: string): Promise<void> {
  if (target.strategy.kind !== "replacePartitions") return;
  const { partitions } = target.strategy;
  const { text, parameters } = inside(partitions, target, "staged");
  const { rows } = await client.text({
    text: `SELECT count(*) FROM ${stage} AS staged WHERE (${text}) IS NOT TRUE`,
    parameters,
  });
  if (rows[0]?.[0] === "0") return;
  throw outsideError(target.assetKey, partitions, rows[0]?.[0] ?? "");
}
