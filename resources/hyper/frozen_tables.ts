import { ChangedTableError } from "../errors.ts";
import type { FrozenTables, TableName } from "../frozen_tables.ts";
import { withWatchedTables } from "../watched_tables.ts";
import { afterSwaps, type Reading, readerAfterSwaps } from "./after_swaps.ts";
import type { Client } from "./client.ts";
import { databaseOf, type HyperConfig } from "./config.ts";
import { DIFF_SYNTAX } from "./diff_syntax.ts";
import { UndefinedColumnError } from "./errors.ts";
import { checksumOf, describe } from "./table_state.ts";

/**
 * Lends tables of the file. A transaction would keep their rows, but the server crashes when it reads a table there that
 * another session swaps.
 *
 * @throws ChangedTableError
 */
export async function withFrozenTables<T>(
  reading: Reading,
  config: HyperConfig,
  act: (tables: FrozenTables) => Promise<T>,
): Promise<T> {
  const { client } = reading;
  const tables = {
    place: `Hyper in ${databaseOf(config.url)}`,
    syntax: DIFF_SYNTAX,
    describe: (table: TableName) => afterSwaps(reading, () => describe(client, table)),
    stateOf: (table: TableName) => afterSwaps(reading, () => stateOf(client, table)),
    ...readerAfterSwaps(reading),
  };
  return await withWatchedTables(tables, act);
}

async function stateOf(client: Client, table: TableName): Promise<string> {
  const { columns } = await describe(client, table);
  try {
    return JSON.stringify([columns, await checksumOf(client, table, columns)]);
  } catch (error) {
    // It was swapped between the two.
    if (error instanceof UndefinedColumnError) throw new ChangedTableError(`${table.schema}.${table.table}`);
    throw error;
  }
}
