import { setTimeout as wait } from "node:timers/promises";
import { CREATE_FAILED_ROWS, FAILED_ROWS } from "../failed_rows.ts";
import { OWN_SCHEMA, ownTable, quote } from "../quote.ts";
import type { Client } from "./client.ts";
import { AlreadyThereError } from "./errors.ts";
import { hasTable, succeeds } from "./has_table.ts";
import { SWAPS, TURNS } from "./names.ts";

/** Quoted name of the table of what was published. */
export const LEDGER = ownTable("ledger");
/** Quoted name of the table of rows that broke the contract. */
export const QUARANTINE = ownTable("quarantine");

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS ${LEDGER} (
    asset_key text NOT NULL,
    run_id text NOT NULL,
    root_run_id text NOT NULL,
    code_version text NOT NULL,
    partition_keys json,
    row_count bigint NOT NULL,
    columns json NOT NULL,
    content_hash text NOT NULL,
    started_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    cursor text,
    report json NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${QUARANTINE} (
    asset_key text NOT NULL,
    run_id text NOT NULL,
    quarantined_at timestamptz NOT NULL,
    row_number bigint NOT NULL,
    reason text NOT NULL,
    value text NOT NULL,
    exact text,
    origin text
  )`,
  CREATE_FAILED_ROWS,
  `CREATE TABLE IF NOT EXISTS ${SWAPS} (
    asset_key text NOT NULL,
    run_id text NOT NULL,
    is_published boolean NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${TURNS} (asset_key text NOT NULL, run_id text NOT NULL)`,
];

/** Whoever makes the tables needs milliseconds; after so long it is gone. */
const PATIENCE_MS = 5_000;
const POLL_MS = 20;

/** What the quarantine of an earlier version lacks. */
const LATER_COLUMNS = ["exact", "origin"];
/** Fails unless all is there. */
const LOOK = `SELECT ${LATER_COLUMNS.join(", ")} FROM ${LEDGER}, ${QUARANTINE}, ${FAILED_ROWS}, ${SWAPS}, ${TURNS} LIMIT 0`;

/**
 * Makes the runtime's own tables where they are missing; outside of a transaction. One session makes all of them and the
 * others wait, and none asks the catalog, as `hasTable` says.
 */
export async function createOwnTables(client: Client): Promise<void> {
  if (await succeeds(client, LOOK)) return;
  if (!(await makes(client, `CREATE SCHEMA ${quote(OWN_SCHEMA)}`))) {
    // Until the last one is there.
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await hasTable(client, TURNS)) && performance.now() < deadline) await wait(POLL_MS);
    if (await succeeds(client, LOOK)) return;
  }
  for (const statement of STATEMENTS) await client.run(statement);
  // Once for each database. It waits for others that write rows just then.
  for (const name of LATER_COLUMNS)
    if (!(await succeeds(client, `SELECT ${name} FROM ${QUARANTINE} LIMIT 0`)))
      await makes(client, `ALTER TABLE ${QUARANTINE} ADD COLUMN ${name} text`);
}

/** Whether it is this session that makes something: of several at once, the server lets one. */
async function makes(client: Client, statement: string): Promise<boolean> {
  try {
    await client.run(statement);
    return true;
  } catch (error) {
    if (error instanceof AlreadyThereError) return false;
    throw error;
  }
}
