import { createHash } from "node:crypto";
import { literal, OWN_SCHEMA, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { DuplicateKeyError, TransactionConflictError, UndefinedRelationError } from "./errors.ts";
import { hangingStatements, hangingText, notNullNames, tableIndexes } from "./hanging.ts";
import { createIndex, declaredIndexes, duplicateKey, planIndexes } from "./indexes.ts";
import { type LockWait, lockWaiting } from "./lock_wait.ts";
import { settlePartitions } from "./partitions.ts";
import { requireRows, type StagingTable } from "./staging.ts";
import type { Relation } from "./table.ts";
import { viewsOn } from "./views.ts";

/**
 * Gives a staged table or materialised view the name of the asset's, with all that hangs on it, inside a transaction;
 * views that read it read the new one. Readers wait only from the moment at which nobody reads the old one any more, and
 * until the commit.
 *
 * @param old What has the name, without obstacles to a swap.
 * @param options.obstacles What keeps it from being swapped: asked again once nobody can add to it.
 * @returns Why what hangs on the table did not come along; then all must be rolled back. `undefined`: it did.
 */
export async function swap(
  client: Client,
  target: Target,
  old: Relation,
  { name: stage, rowCount }: StagingTable,
  { locks, obstacles }: { readonly locks: LockWait; readonly obstacles: () => Promise<readonly string[]> },
): Promise<string | undefined> {
  const name = tableName(target.assetKey);
  const { isLasting, ...staged } = await find(client, stage);
  if (!isLasting) {
    await client.run(`ALTER TABLE ${stage} SET LOGGED`);
    const { rows } = await client.text(`SELECT count(*) FROM ${stage}`);
    requireRows(target, rowCount, BigInt(rows[0]?.[0] ?? 0));
  }
  await keepAsItIs(client, target, old, { locks, aside: (index) => ownName(stage, `${index}\0aside`) });
  const indexes = await stageIndexes(client, target, old, { ...staged, name: stage }, locks.log);
  if (typeof indexes === "string") return indexes;
  const views = await viewsOn(client, old.oid);
  const schema = quote(target.schema);
  const aside = quote(ownName(stage, name));
  const moved = `ALTER TABLE ${name} RENAME TO ${aside}`;
  await lockWaiting(
    client,
    name,
    [...views.map(({ lock }) => lock), ...(await exclusively(client, target, old, aside))],
    locks,
  );
  // Only now does all stand still that hangs on it: whatever was committed during the wait counts.
  const late = await obstacles();
  if (late.length > 0) return late.join(", ");
  const current = await viewsOn(client, old.oid);
  if (current.map(({ lock }) => lock).join() !== views.map(({ lock }) => lock).join())
    throw new TransactionConflictError(`views on ${name} came or went during its publish`, moved, undefined);
  const common = { columnsOf: staged.oid, indexes: indexes.kept };
  const before = await hangingText(client, old.oid, common);
  const hanging = await hangingStatements(client, old.oid, staged, { name, indexes: indexes.kept });
  await client.script([
    moved,
    `ALTER TABLE ${stage} SET SCHEMA ${schema}`,
    `ALTER TABLE ${schema}.${stage.slice(quote(OWN_SCHEMA).length + 1)} RENAME TO ${quote(target.table)}`,
    ...current.map(({ replace }) => replace),
    `DROP ${old.kind} ${schema}.${aside}`,
    ...indexes.renames,
    ...(await notNullNames(client, target, old.oid, staged.oid)),
    ...hanging,
  ]);
  await settlePartitions(client, target, staged.oid, stage);
  const after = await hangingText(client, staged.oid, common);
  return before === after ? undefined : "what hangs on the table would not be the same";
}

/**
 * Statements that keep everybody out, with what they have not committed yet. GRANT takes no lock on the table: who
 * changes the same rows of the catalog waits for it. The name is as before then, since definitions tell it.
 */
async function exclusively(client: Client, target: Target, { oid, kind }: Relation, aside: string): Promise<string[]> {
  const name = tableName(target.assetKey);
  const { rows } = await client.text(
    `SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped`,
  );
  // What it is already, as nothing else can be swapped.
  const settings = rows.map(([column]) => `ALTER COLUMN ${quote(column ?? "")} SET STATISTICS -1`);
  return [
    // LOCK takes no materialised view, RENAME does.
    ...(kind === "TABLE" ? [`LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`] : []),
    `ALTER TABLE ${name} RENAME TO ${aside}`,
    `ALTER TABLE ${quote(target.schema)}.${aside} RENAME TO ${quote(target.table)}`,
    ...(settings.length === 0 ? [] : [`ALTER TABLE ${name} ${settings.join(", ")}`]),
  ];
}

/** Keeps others from adding and changing indexes while those that are there are made again; readers go on. */
async function keepAsItIs(
  client: Client,
  target: Target,
  { oid, kind }: Relation,
  { locks, aside }: { readonly locks: LockWait; readonly aside: (index: string) => string },
): Promise<void> {
  const name = tableName(target.assetKey);
  if (kind === "TABLE") {
    await lockWaiting(client, name, [`LOCK TABLE ${name} IN SHARE ROW EXCLUSIVE MODE`], locks);
  } else {
    // LOCK takes no materialised view.
    const { rows } = await client.text(`SELECT pg_catalog.obj_description(${oid}, 'pg_class')`);
    const comment = rows[0]?.[0];
    const same = `COMMENT ON ${kind} ${name} IS ${typeof comment === "string" ? literal(comment) : "NULL"}`;
    await lockWaiting(client, name, [same], locks);
  }
  // Comments, settings and names of indexes take a lock on the index alone, as LOCK cannot.
  const schema = quote(target.schema);
  const indexes = await tableIndexes(client, oid);
  if (indexes.length === 0) return;
  const thereAndBack = indexes.flatMap(({ name: index }) => [
    `ALTER INDEX ${schema}.${quote(index)} RENAME TO ${quote(aside(index))}`,
    `ALTER INDEX ${schema}.${quote(aside(index))} RENAME TO ${quote(index)}`,
  ]);
  try {
    await lockWaiting(client, name, thereAndBack, locks);
  } catch (error) {
    if (!(error instanceof UndefinedRelationError)) throw error;
    const { statement, cause } = error;
    throw new TransactionConflictError(`an index of ${name} got another name during its publish`, statement, cause);
  }
}

/**
 * Makes on a staged relation the indexes that the old one has, and those that the asset declares, under names for now.
 *
 * @returns The names of those that are the same, and the statements that give all their names; or why not.
 */
async function stageIndexes(
  client: Client,
  target: Target,
  old: Relation,
  { name: stage, kind }: Pick<Relation, "kind"> & { readonly name: string },
  log: (message: string) => void,
): Promise<{ readonly kept: readonly string[]; readonly renames: readonly string[] } | string> {
  const plan = await planIndexes(client, target, declaredIndexes(target, kind), old.oid);
  const kept: string[] = [];
  const renames: string[] = [];
  const rename = (index: string): string => {
    const own = ownName(stage, index);
    renames.push(`ALTER INDEX ${quote(target.schema)}.${quote(own)} RENAME TO ${quote(index)}`);
    return own;
  };
  for (const { name: index, on } of await tableIndexes(client, old.oid)) {
    if (plan.lost.includes(index) || plan.replacements.some(({ name }) => name === index)) continue;
    const own = rename(index);
    const statement = on(own, stage);
    if (statement === undefined) return `the definition of index ${index} could not be read`;
    try {
      await client.run(statement);
    } catch (error) {
      throw error instanceof DuplicateKeyError ? duplicateKey(target, error, index) : error;
    }
    kept.push(index);
  }
  for (const index of [...plan.missing, ...plan.replacements])
    await createIndex(client, target, index, { name: rename(index.name), schema: OWN_SCHEMA, relation: stage });
  for (const note of plan.notes) log(note);
  return { kept, renames };
}

/** A name that nobody else has, for something until it gets its own. */
function ownName(stage: string, name: string): string {
  return `_stage_${createHash("sha256").update(`${stage}\0${name}`).digest("hex").slice(0, 24)}`;
}

async function find(client: Client, name: string): Promise<Relation & { readonly isLasting: boolean }> {
  const { rows } = await client.text({
    text: "SELECT oid, relpersistence = 'p', relkind FROM pg_catalog.pg_class WHERE oid = $1::regclass",
    parameters: [name],
  });
  const [oid, isLasting, kind] = rows[0] ?? [];
  return { oid: oid ?? "", isLasting: isLasting === "true", kind: kind === "m" ? "MATERIALIZED VIEW" : "TABLE" };
}
