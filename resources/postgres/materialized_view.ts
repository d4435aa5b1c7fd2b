import { ContractError, StatementError } from "../errors.ts";
import { quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { DuplicateKeyError } from "./errors.ts";
import { swapObstacles } from "./hanging.ts";
import { addIndexes, declaredIndexes, duplicateKey, isKeyIndex, planIndexes } from "./indexes.ts";
import { createSchema } from "./ledger.ts";
import { type LockWait, withLockWaits } from "./lock_wait.ts";
import { newStagingTable } from "./staging.ts";
import { swap } from "./swap.ts";
import { type Relation, tryGetRelation } from "./table.ts";
import { describe, notReplaceable } from "./write.ts";

/** SQLSTATE cardinality_violation, by which a concurrent refresh refuses rows that are there twice. */
const TWICE = "(21000)";

/** A materialised view with its new rows, which only this transaction sees. */
export interface StagedView {
  /** Quoted: the asset's own name, or another one when it is to take the place of {@link replaces}. */
  readonly name: string;
  readonly replaces: Relation | undefined;
}

/**
 * Refreshes the asset's materialised view, or makes it: beside the old one where the definition is another one, or
 * where a table has the name. Inside the transaction that publishes it.
 *
 * @param query Without parameters, in the contract's columns.
 * @throws ContractError when what has the name cannot be replaced, or for NULLs and keys that break the contract
 */
export async function stageMaterializedView(
  client: Client,
  target: Target,
  query: string,
  { runId, log }: { readonly runId: string; readonly log: (message: string) => void },
): Promise<StagedView> {
  const found = await tryGetRelation(client, target);
  const own = tableName(target.assetKey);
  if (found !== undefined && (await isCurrent(client, target, found, query))) {
    await refresh(client, target);
    await requireNoNulls(client, target, own);
    await addIndexes(client, target, found, log);
    return { name: own, replaces: undefined };
  }
  if (found !== undefined) await requireReplaceable(client, target, found);
  await createSchema(client, target.schema);
  // Where nothing has the name it is made with it: with the privileges that the schema's owner has set for new tables.
  const name = found === undefined ? own : newStagingTable(target.assetKey, runId);
  await client.run(`CREATE MATERIALIZED VIEW ${name} AS ${query}`);
  await requireNoNulls(client, target, name);
  if (found === undefined) {
    const made = await tryGetRelation(client, target);
    if (made !== undefined) await addIndexes(client, target, made, log);
  }
  return { name, replaces: found };
}

/** Publishes a staged view, inside its transaction. */
export async function placeView(client: Client, target: Target, staged: StagedView, locks: LockWait): Promise<void> {
  const { name, replaces } = staged;
  if (replaces !== undefined) {
    await client.script(["SET LOCAL search_path = pg_catalog", "SET LOCAL row_security = off"]);
    await requireReplaceable(client, target, replaces);
    const obstacle = await trySwap(client, target, { name, replaces }, locks);
    if (obstacle !== undefined) throw new ContractError(notReplaceable(target, replaces, obstacle));
  }
  await describe(client, target, "MATERIALIZED VIEW");
}

async function trySwap(
  client: Client,
  target: Target,
  { name, replaces }: { readonly name: string; readonly replaces: Relation },
  locks: LockWait,
): Promise<string | undefined> {
  try {
    return await swap(
      client,
      target,
      replaces,
      { name, rowCount: 0n },
      { locks, obstacles: () => replaceObstacles(client, replaces) },
    );
  } catch (error) {
    // Such as a view that reads a column which is not there any more.
    if (error instanceof StatementError && error.code === "statement_failed") return error.message;
    throw error;
  }
}

/** Whether a view is populated, has its key, and is made by this query: both as the server writes them. */
async function isCurrent(client: Client, target: Target, { oid, kind }: Relation, query: string): Promise<boolean> {
  if (kind === "TABLE") return false;
  const { missing } = await planIndexes(client, target, declaredIndexes(target, kind), oid);
  if (missing.some(({ index }) => isKeyIndex(target, index))) return false;
  const probe = newStagingTable(target.assetKey, "probe");
  await client.script(["SAVEPOINT probing", `CREATE VIEW ${probe} AS ${query}`]);
  const columns = (relation: string): string => `SELECT jsonb_agg(jsonb_build_array(attname,
    pg_catalog.format_type(atttypid, atttypmod), attcollation) ORDER BY attnum)
    FROM pg_catalog.pg_attribute WHERE attrelid = ${relation} AND attnum > 0`;
  const { rows } = await client.text({
    text: `SELECT relispopulated AND pg_catalog.pg_get_viewdef(oid) = pg_catalog.pg_get_viewdef($1::regclass)
        AND (${columns(oid)}) = (${columns("$1::regclass")})
      FROM pg_catalog.pg_class WHERE oid = ${oid}`,
    parameters: [probe],
  });
  await client.script(["ROLLBACK TO SAVEPOINT probing", "RELEASE SAVEPOINT probing"]);
  return rows[0]?.[0] === "true";
}

/** Readers go on meanwhile, and see the old rows until the commit. */
async function refresh(client: Client, target: Target): Promise<void> {
  try {
    // Somebody else may be refreshing it.
    await withLockWaits(client, () =>
      client.run(`REFRESH MATERIALIZED VIEW CONCURRENTLY ${tableName(target.assetKey)}`),
    );
  } catch (error) {
    if (error instanceof DuplicateKeyError) throw duplicateKey(target, error, error.index.name);
    if (error instanceof StatementError && error.message.includes(TWICE)) {
      throw new ContractError(
        `${target.assetKey}: a row is there twice, with all of its columns; nothing was published: ${error.message}`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** A materialised view keeps no column from being NULL. */
async function requireNoNulls(client: Client, target: Target, name: string): Promise<void> {
  const required = target.columns.filter(({ nullable }) => !nullable);
  if (required.length === 0) return;
  const counts = required.map((column) => `count(*) FILTER (WHERE ${quote(column.name)} IS NULL)`);
  const { rows } = await client.text(`SELECT ${counts.join(", ")} FROM ${name}`);
  const broken = required.flatMap((column, index) => {
    const count = rows[0]?.[index] ?? "0";
    return count === "0" ? [] : [`column ${JSON.stringify(column.name)} is NULL in ${count} rows`];
  });
  if (broken.length === 0) return;
  throw new ContractError(
    `the SQL of ${target.assetKey} does not yield its contract: ${broken.join("; ")}; nothing was published`,
  );
}

/** Before anything is computed. @throws ContractError */
async function requireReplaceable(client: Client, target: Target, found: Relation): Promise<void> {
  const obstacles = await replaceObstacles(client, found);
  if (obstacles.length > 0) throw new ContractError(notReplaceable(target, found, obstacles.join(", ")));
}

async function replaceObstacles(client: Client, { oid, kind }: Relation): Promise<string[]> {
  const obstacles = await swapObstacles(client, oid, { except: "views" });
  if (kind === "TABLE") obstacles.push(...(await policies(client, oid)));
  return obstacles;
}

async function policies(client: Client, oid: string): Promise<string[]> {
  const { rows } = await client.text(`
    SELECT FROM pg_catalog.pg_class WHERE oid = ${oid} AND (relrowsecurity
      OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = ${oid}))`);
  return rows.length === 0 ? [] : ["it has row policies, which a materialised view cannot have"];
}
