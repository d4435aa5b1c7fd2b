import { setTimeout as wait } from "node:timers/promises";
import { literal } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import type { Client } from "./client.ts";
import { CatalogConflictError, LockTimeoutError } from "./errors.ts";

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

/** Takes locks, all or none, in short tries, so that nobody queues for long behind a wait for a slow reader. */
export async function lockWaiting(
  client: Client,
  name: string,
  statements: readonly string[],
  { timeoutMs, log }: LockWait,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let told = false; ;) {
    const tryMs = Math.max(1, Math.min(LOCK_TRY_MS, deadline - performance.now()));
    await client.script(["SAVEPOINT locking", `SET LOCAL lock_timeout = ${Math.ceil(tryMs)}`]);
    try {
      await lockWithoutStatementLimit(client, ...statements);
      // Back to the setting of the transaction.
      await client.script([`SET LOCAL lock_timeout = ${Math.ceil(timeoutMs)}`, "RELEASE SAVEPOINT locking"]);
      return;
    } catch (error) {
      if (!(error instanceof LockTimeoutError || error instanceof CatalogConflictError)) throw error;
      await client.script(["ROLLBACK TO SAVEPOINT locking", "RELEASE SAVEPOINT locking"]);
      if (performance.now() >= deadline) throw error;
      if (!told) log(`Waiting for other transactions to leave the table ${name}`);
      told = true;
      await wait(LOCK_PAUSE_MS);
    }
  }
}

/** Takes locks. A wait ends by the limit of locks, and is worth another try then; not by that of statements. */
export async function lockWithoutStatementLimit(
  client: Client,
  ...statements: readonly (Statement | string)[]
): Promise<void> {
  const [[limit] = []] = (await client.text("SELECT pg_catalog.current_setting('statement_timeout')")).rows;
  await client.run("SET LOCAL statement_timeout = 0");
  for (const statement of statements) await client.run(statement);
  await client.run(`SET LOCAL statement_timeout = ${literal(limit ?? "0")}`);
}

/**
 * Runs statements that work and may wait meanwhile: for rows, keys or locks of others. A wait ends by the limit of locks,
 * so the limit of statements is longer by it.
 */
export async function withLockWaits<T>(client: Client, act: () => Promise<T>): Promise<T> {
  const limit = "(SELECT CAST(setting AS bigint) FROM pg_catalog.pg_settings WHERE name = 'NAME_timeout')";
  const { rows } = await client.text(`
    SELECT statements, pg_catalog.set_config('statement_timeout', CAST(LEAST(statements + locks, 2147483647) AS text), true)
    FROM (SELECT ${limit.replace("NAME", "statement")}, ${limit.replace("NAME", "lock")}) AS limits (statements, locks)
    WHERE statements > 0`);
  const result = await act();
  const [before] = rows[0] ?? [];
  if (before != null) await client.run(`SET LOCAL statement_timeout = ${literal(before)}`);
  return result;
}
