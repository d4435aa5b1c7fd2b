import type { Target } from "../store.ts";
import { quote, tableName } from "../quote.ts";
import type { Client } from "./client.ts";
import type { Connections } from "./connections.ts";
import type { Column } from "../../definitions/column_type.ts";
import { columnDefinitions, columnNames } from "./contract.ts";
import { ConflictError, TableInTheWayError } from "./errors.ts";
import { hasTable, rowsIfThere } from "./has_table.ts";
import { takeTurn } from "./ledger.ts";
import { nextName, setAsideName, SWAPS } from "./names.ts";
import { checksumOf, describe } from "./table_state.ts";
import { commentOn, commentsOf, describeColumns } from "./table.ts";

/*
 * A table that takes another form is made beside the old one, and takes its place by two renames. They cannot be a part
 * of a transaction, so a row says that a swap has begun, before anything is made; a second one, written by the
 * transaction that has the turn and writes the ledger, that it is done. Whoever has the turn and finds rows knows that
 * their process is gone: a swap that is done is tidied, any other undone.
 */

/** Whether a swap of an asset's table is under way or was left. */
export async function hasSwap(client: Client, assetKey: string): Promise<boolean> {
  return (await swapsOf(client, assetKey)).length > 0;
}

/** The assets whose tables are being swapped, or were when their process ended. */
export async function swappedAssets(client: Client): Promise<string[]> {
  const rows = await rowsIfThere(client, `SELECT DISTINCT asset_key FROM ${SWAPS}`);
  return rows.map(([assetKey]) => assetKey ?? "");
}

/** Rows for the table that is to take another's place. */
export interface NextRows {
  /** Quoted name of the table that has them. */
  readonly from: string;
  readonly columns: readonly Column[];
}

/**
 * Makes the table that is to take the other's place, with its rows and descriptions, and what people wrote on the other's
 * columns that have none; whoever does it has the turn.
 */
export async function fillNext(
  client: Client,
  target: Target,
  { from, columns }: NextRows,
  runId: string,
): Promise<void> {
  const { assetKey, schema } = target;
  if (await hasTable(client, inSchema(schema, setAsideName(assetKey)))) {
    throw new TableInTheWayError(
      `${inSchema(schema, setAsideName(assetKey))} is in the way: rows of ${tableName(assetKey)} that somebody put aside. ` +
        "Look at them and drop or rename that table; nothing was published",
    );
  }
  await client.run({ text: `INSERT INTO ${SWAPS} VALUES ($1, $2, false)`, parameters: [assetKey, runId] });
  const next = inSchema(schema, nextName(assetKey));
  const names = columnNames({ columns });
  await client.run(`CREATE TABLE ${next} (${columnDefinitions(target)})`);
  await client.run(`INSERT INTO ${next} (${names}) SELECT ${names} FROM ${from}`);
  await describeColumns(client, target, next);
  const written = await commentsOf(client, target);
  for (const { name, description } of target.columns) {
    const comment = written.get(name);
    if (description === null && comment !== undefined) await commentOn(client, next, name, comment);
  }
}

/** Says that the swap is done, in the transaction that has the turn. */
export async function markDone(client: Client, assetKey: string, runId: string): Promise<void> {
  await client.run({ text: `INSERT INTO ${SWAPS} VALUES ($1, $2, true)`, parameters: [assetKey, runId] });
}

/** Puts the filled table in the place of the other: readers miss it for the instant between the two. */
export async function swapIn(client: Client, target: Target): Promise<void> {
  await setAside(client, target);
  await putInPlace(client, target);
}

/**
 * Puts a table with more columns, and the rows of the other, in the place of the other.
 *
 * @throws ConflictError where somebody wrote the other one while it was copied: the swap is to be undone
 */
export async function widen(client: Client, target: Target, kept: readonly Column[], runId: string): Promise<void> {
  const { assetKey, schema, table } = target;
  const { columns } = await describe(client, { schema, table });
  await fillNext(client, target, { from: tableName(assetKey), columns: kept }, runId);
  const copied = await checksumOf(client, { schema, table: nextName(assetKey) }, columns);
  await setAside(client, target);
  // Nobody writes it any more: the server renames no table that a transaction has written.
  if ((await checksumOf(client, { schema, table: setAsideName(assetKey) }, columns)) !== copied) {
    const why = new Error(`${assetKey} got other rows while it was copied into a table with its new columns`);
    throw new ConflictError("Hyper has to try again", tableName(assetKey), why);
  }
  await putInPlace(client, target);
}

async function setAside(client: Client, { assetKey }: Target): Promise<void> {
  await client.run(`ALTER TABLE ${tableName(assetKey)} RENAME TO ${quote(setAsideName(assetKey))}`);
}

async function putInPlace(client: Client, { assetKey, schema, table }: Target): Promise<void> {
  await client.run(`ALTER TABLE ${inSchema(schema, nextName(assetKey))} RENAME TO ${quote(table)}`);
}

/**
 * Ends a swap whose process did not, without a transaction, while another session has the asset's turn: the published
 * table stays, which is the one aside unless the ledger has the other. Can itself be killed anywhere and done again.
 */
export async function repair(client: Client, assetKey: string): Promise<void> {
  const [schema = "", table = ""] = assetKey.split("/");
  const swaps = await swapsOf(client, assetKey);
  const aside = inSchema(schema, setAsideName(assetKey));
  const next = inSchema(schema, nextName(assetKey));
  const isPublished = swaps.some(({ isPublished: published }) => published);
  if (swaps.length > 0) await client.run(`DROP TABLE IF EXISTS ${next}`);
  if (await hasTable(client, aside)) {
    const isThere = await hasTable(client, tableName(assetKey));
    if (isPublished && isThere) {
      await client.run(`DROP TABLE ${aside}`);
    } else if (swaps.length > 0 || !isThere) {
      // Unpublished rows go out of sight before they go, which takes longer.
      if (isThere) await client.run(`ALTER TABLE ${tableName(assetKey)} RENAME TO ${quote(nextName(assetKey))}`);
      await client.run(`ALTER TABLE ${aside} RENAME TO ${quote(table)}`);
      await client.run(`DROP TABLE IF EXISTS ${next}`);
    }
  }
  if (swaps.length > 0) await client.run({ text: `DELETE FROM ${SWAPS} WHERE asset_key = $1`, parameters: [assetKey] });
}

/** Ends the swap of an asset that was left; nothing while another has the turn, who ends it as well. */
export async function repairInTurn(connections: Connections, assetKey: string): Promise<void> {
  // It is done also for a run that was terminated.
  const { signal } = new AbortController();
  const name = `dagster-typescript ${assetKey}`;
  const turn = await connections.take(signal, name);
  try {
    const client = await connections.take(signal, name);
    try {
      await turn.transaction(async () => {
        await takeTurn(turn, assetKey, "");
        await repair(client, assetKey);
      });
    } finally {
      connections.give(client);
    }
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  } finally {
    connections.give(turn);
  }
}

async function swapsOf(client: Client, assetKey: string): Promise<{ readonly isPublished: boolean }[]> {
  const rows = await rowsIfThere(client, {
    text: `SELECT is_published FROM ${SWAPS} WHERE asset_key = $1`,
    parameters: [assetKey],
  });
  return rows.map(([isPublished]) => ({ isPublished: isPublished === "t" }));
}

function inSchema(schema: string, table: string): string {
  return `${quote(schema)}.${quote(table)}`;
}
