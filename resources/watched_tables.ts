import { ChangedTableError } from "./errors.ts";
import type { FrozenTables, TableName } from "./frozen_tables.ts";

/** Tables of a store without snapshots, and what tells whether one of them has changed. */
export interface WatchedTables extends FrozenTables {
  /** A text that is another after each change of the table. */
  readonly stateOf: (table: TableName) => Promise<string>;
}

/**
 * Lends tables of a store that cannot keep them as they are. What changes meanwhile is noticed at the end, and nothing of
 * what was seen counts then.
 *
 * @throws ChangedTableError
 */
export async function withWatchedTables<T>(
  tables: WatchedTables,
  act: (tables: FrozenTables) => Promise<T>,
): Promise<T> {
  const seen = new Map<string, { readonly table: TableName; readonly state: string }>();
  const requireSame = async (): Promise<void> => {
    for (const [name, { table, state }] of seen)
      if ((await tables.stateOf(table)) !== state) throw new ChangedTableError(name);
  };
  const watched: FrozenTables = {
    ...tables,
    describe: async (table) => {
      const name = `${table.schema}.${table.table}`;
      if (!seen.has(name)) seen.set(name, { table, state: await tables.stateOf(table) });
      return await tables.describe(table);
    },
  };
  let result: T;
  try {
    result = await act(watched);
  } catch (error) {
    // A fault that comes of a change is none of the tables.
    await requireSame();
    throw error;
  }
  await requireSame();
  return result;
}
