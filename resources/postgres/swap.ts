import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { OWN_SCHEMA, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { LockTimeoutError } from "./errors.ts";
import { hangingStatements, hangingText, tableIndexes } from "./hanging.ts";
import { requireRows, type StagingTable } from "./staging.ts";

/**
 * Readers queue behind whoever waits for the table: so long at most, then they go first. Longer than the server's
 * `deadlock_timeout`, after which an autovacuum gives way.
 */
const LOCK_TRY_MS = 1_500;
const LOCK_PAUSE_MS = 200;

/** How to wait for a lock on a table. */
export interface LockWait {
  readonly timeoutMs: number;
  readonly log: (message: string) => void;
}

/**
 * Gives the staging table the name of the asset's table, with all that hangs on it, inside a transaction. Readers wait
 * only from the moment at which nobody reads the old table any more, and until the commit.
 *
 * @returns Why what hangs on the table did not come along; then all must be rolled back. `undefined`: it did.
 */
export async function swap(
  client: Client,
  target: Target,
  oid: string,
  { name: stage, rowCount }: StagingTable,
  locks: LockWait,
): Promise<string | undefined> {
  const name = tableName(target.assetKey);
  const { oid: staged, isLasting } = await find(client, stage);
  if (!isLasting) {
    await client.run(`ALTER TABLE ${stage} SET LOGGED`);
    const { rows } = await client.text(`SELECT count(*) FROM ${stage}`);
    requireRows(target, rowCount, BigInt(rows[0]?.[0] ?? 0));
  }
  await lockWaiting(client, name, "SHARE ROW EXCLUSIVE", locks);
  const before = await hangingText(client, oid, staged);
  const renames: string[] = [];
  for (const { name: index, on } of await tableIndexes(client, oid)) {
    const own = `_stage_${createHash("sha256").update(`${stage}\0${index}`).digest("hex").slice(0, 24)}`;
    const statement = on(own, stage);
    if (statement === undefined) return `the definition of index ${index} could not be read`;
    await client.run(statement);
    renames.push(`ALTER INDEX ${quote(target.schema)}.${quote(own)} RENAME TO ${quote(index)}`);
  }
  const hanging = await hangingStatements(client, oid, staged, name);
  await lockWaiting(client, name, "ACCESS EXCLUSIVE", locks);
  await client.script([
    `DROP TABLE ${name}`,
    `ALTER TABLE ${stage} SET SCHEMA ${quote(target.schema)}`,
    `ALTER TABLE ${quote(target.schema)}.${stage.slice(quote(OWN_SCHEMA).length + 1)} RENAME TO ${quote(target.table)}`,
    ...renames,
    ...hanging,
  ]);
  const after = await hangingText(client, staged, staged);
  return before === after ? undefined : "what hangs on the table would not be the same";
}

/** Takes a lock in short tries, so that nobody queues for long behind a wait for a slow reader. */
export async function lockWaiting(
  client: Client,
  name: string,
  mode: "SHARE ROW EXCLUSIVE" | "ACCESS EXCLUSIVE",
  { timeoutMs, log }: LockWait,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let told = false; ;) {
    const tryMs = Math.max(1, Math.min(LOCK_TRY_MS, deadline - performance.now()));
    await client.script(["SAVEPOINT locking", `SET LOCAL lock_timeout = ${Math.ceil(tryMs)}`]);
    try {
      await client.run(`LOCK TABLE ${name} IN ${mode} MODE`);
      // Back to the setting of the transaction.
      await client.script([`SET LOCAL lock_timeout = ${Math.ceil(timeoutMs)}`, "RELEASE SAVEPOINT locking"]);
      return;
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error;
      await client.script(["ROLLBACK TO SAVEPOINT locking", "RELEASE SAVEPOINT locking"]);
      if (performance.now() >= deadline) throw error;
      if (!told) log(`Waiting for other transactions to leave the table ${name}`);
      told = true;
      await wait(LOCK_PAUSE_MS);
    }
  }
}

async function find(client: Client, name: string): Promise<{ readonly oid: string; readonly isLasting: boolean }> {
  const { rows } = await client.text({
    text: "SELECT oid, relpersistence = 'p' FROM pg_catalog.pg_class WHERE oid = $1::regclass",
    parameters: [name],
  });
  return { oid: rows[0]?.[0] ?? "", isLasting: rows[0]?.[1] === "true" };
}
