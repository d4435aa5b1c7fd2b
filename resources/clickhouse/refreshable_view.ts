import { createHash } from "node:crypto";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { EXCEPTION, ClickHouseStatementError, toRefreshError } from "./errors.ts";
import { type IsOpen, withLock } from "./lock.ts";
import { assetHash, literal, OWN_DATABASE, ownTable } from "./quote.ts";
import { dropOrphans, type Stage } from "./staging.ts";
import { onCluster } from "./tables.ts";

/** The settings of a view's own statement, which runs when nobody is there to give any. */
export function viewSettings({ config }: Pick<Client, "config">, assetKey: string): string {
  const settings = {
    insert_null_as_default: 0,
    join_use_nulls: 1,
    cast_keep_nullable: 1,
    insert_deduplicate: 0,
    max_partitions_per_insert_block: 0,
    date_time_overflow_behavior: "throw",
    session_timezone: "UTC",
    max_execution_time: config.statementTimeoutSeconds,
    log_comment: JSON.stringify({ assetKey }),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${typeof value === "string" ? literal(value) : value}`)
    .join(", ");
}

/**
 * Fills a staging table by the asset's refreshable view. The view lasts from run to run, so that its definition and the
 * state of its last refresh can be seen in `system.view_refreshes`; it never refreshes by itself. It is redefined when the
 * SQL or the contract has changed.
 *
 * A refresh replaces the view's own table, whose place the staging table takes meanwhile. So it can be refreshed twice
 * without harm, when a dead process had asked for it too. Under the lock of the asset: two runs share the view.
 *
 * @param sql Without placeholders.
 */
export async function refreshInto(
  client: Client,
  target: Target,
  attempt: Attempt,
  isOpen: IsOpen,
  sql: string,
  stage: Stage,
): Promise<void> {
  await withLock(client, target.assetKey, attempt, isOpen, async (lock) => {
    await dropOrphans(client, isOpen, target.assetKey);
    const view = `_view~${assetHash(target.assetKey)}`;
    const rows = `_view_rows~${assetHash(target.assetKey)}`;
    const names = columnNames(target);
    const select = `SELECT ${names} FROM (${sql}\n) AS query SETTINGS ${viewSettings(client, target.assetKey)}`;
    // Replicas do not see each other's replacement of a table, only rows that are added to one.
    const append = client.config.cluster === null ? "" : " APPEND";
    const definition = createHash("sha256")
      .update(JSON.stringify([select, append, target.columns.map(({ name, type }) => [name, type])]))
      .digest("hex")
      .slice(0, 32);
    const comment = JSON.stringify({ assetKey: target.assetKey, definition });
    const cluster = onCluster(client);

    const found = await commentOf(client, view);
    if (found !== undefined) {
      // What a dead process began would write into the table that is this run's from now on.
      await client.run(`SYSTEM CANCEL VIEW ${ownTable(view)}`);
      await client.run(`SYSTEM WAIT VIEW ${ownTable(view)}`).catch((error: unknown) => {
        if (!isRefreshFailed(error)) throw error;
      });
    }
    await client.run(`CREATE TABLE IF NOT EXISTS ${ownTable(rows)}${cluster} AS ${ownTable(stage.name)}`);
    const exchange = `EXCHANGE TABLES ${ownTable(stage.name)} AND ${ownTable(rows)}${cluster}`;
    await lock.requireHeld();
    await client.run(exchange);
    // What a dead process may have left there.
    await client.run(`TRUNCATE TABLE ${ownTable(stage.name)}${cluster}`);
    if (found !== comment) {
      if (found !== undefined) await client.run(`DROP VIEW IF EXISTS ${ownTable(view)}${cluster}`);
      await client.run(
        `CREATE MATERIALIZED VIEW ${ownTable(view)}${cluster} REFRESH EVERY 100 YEAR SETTINGS refresh_retries = 0${append} ` +
          `TO ${ownTable(rows)} EMPTY AS ${select} COMMENT ${literal(comment)}`,
      );
    }
    await refresh(client, view, attempt);
    await lock.requireHeld();
    await client.run(exchange);
  });
}

/** The server cannot end the wait for a refresh, only the refresh. */
async function refresh(client: Client, name: string, { signal }: Attempt): Promise<void> {
  const view = ownTable(name);
  await client.run(`SYSTEM REFRESH VIEW ${view}`);
  const unending = client.unending();
  const cancel = (): void => void unending.run(`SYSTEM CANCEL VIEW ${view}`).catch(() => undefined);
  signal.addEventListener("abort", cancel);
  try {
    if (signal.aborted) cancel();
    await unending.run(`SYSTEM WAIT VIEW ${view}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!isRefreshFailed(error)) {
      cancel();
      throw error;
    }
    const { rows } = await client.text({
      text: "SELECT exception FROM system.view_refreshes WHERE database = {p1:String} AND view = {p2:String}",
      parameters: [OWN_DATABASE, name],
    });
    throw toRefreshError(rows[0]?.[0] ?? error.message, error.statement, error);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  signal.throwIfAborted();
}

function isRefreshFailed(error: unknown): error is ClickHouseStatementError {
  return error instanceof ClickHouseStatementError && error.exceptionCode === EXCEPTION.REFRESH_FAILED;
}

async function commentOf(client: Client, name: string): Promise<string | undefined> {
  const { rows } = await client.text({
    text: "SELECT comment FROM system.tables WHERE database = {p1:String} AND name = {p2:String}",
    parameters: [OWN_DATABASE, name],
  });
  return rows[0]?.[0] ?? undefined;
}
