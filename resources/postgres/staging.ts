import { randomUUID } from "node:crypto";
import { thisProcess, tryGetAlive } from "../process_identity.ts";
import { literal, OWN_SCHEMA, quote, stagingName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { LockTimeoutError, StagedRowsLostError } from "./errors.ts";

/** Whose a staging table is; kept as its comment, which is made with it in one transaction. */
interface Owner {
  readonly run: string;
  readonly process: string;
}

/** A staging table and the rows that it holds. */
export interface StagingTable {
  /** With its schema, quoted. */
  readonly name: string;
  readonly rowCount: bigint;
}

/**
 * Makes sure that staged rows are all still there: a server that crashes empties the tables that are not in its log.
 *
 * @throws StagedRowsLostError
 */
export function requireRows({ assetKey }: Pick<Target, "assetKey">, expected: bigint, found: bigint): void {
  if (found === expected) return;
  throw new StagedRowsLostError(
    `${assetKey}: ${expected} rows were staged, ${found} are there: the server restarted in between. Nothing was ` +
      "published; run it again",
  );
}

/** A name that no other attempt shares, so that a process that lingers writes into no other's rows. */
export function newStagingTable(assetKey: string, runId: string): string {
  return `${quote(OWN_SCHEMA)}.${quote(stagingName(assetKey, `${runId}\0${randomUUID()}`))}`;
}

/** The statement that says whose a staging table is. */
export function ownedBy(table: string, runId: string): string {
  const owner: Owner = { run: runId, process: thisProcess() };
  return `COMMENT ON TABLE ${table} IS ${literal(JSON.stringify(owner))}`;
}

/** The quoted names of staging tables whose process is gone: by its start where it ran here, else by its run's state. */
export async function findOrphans(client: Client, isOpen: (runId: string) => boolean): Promise<string[]> {
  const { rows } = await client.text(`
    SELECT c.relname, pg_catalog.obj_description(c.oid, 'pg_class')
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ${literal(OWN_SCHEMA)} AND c.relkind = 'r' AND c.relname LIKE '\\_stage\\_%'`);
  return rows.flatMap(([name, comment]) => {
    const owner = tryReadOwner(comment ?? "");
    if (owner === undefined || (tryGetAlive(owner.process) ?? isOpen(owner.run))) return [];
    return [`${quote(OWN_SCHEMA)}.${quote(name ?? "")}`];
  });
}

/** Drops an orphan, inside a transaction; the next run does where the server still works on it. */
export async function dropOrphan(client: Client, table: string): Promise<void> {
  await client.run("SET LOCAL lock_timeout = '1s'");
  try {
    await client.run(`DROP TABLE IF EXISTS ${table}`);
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
  }
}

function tryReadOwner(comment: string): Owner | undefined {
  try {
    const { run, process } = JSON.parse(comment) as Partial<Owner>;
    return run === undefined || process === undefined ? undefined : { run, process };
  } catch {
    return undefined;
  }
}
