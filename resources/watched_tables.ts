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
  { place, syntax, describe, text, stateOf }: WatchedTables,
  act: (tables: FrozenTables) => Promise<T>,
): Promise<T> {
  const seen = new Map<string, { readonly table: TableName; readonly state: string }>();
  const requireSame = async (): Promise<void> => {
    for (const [name, { table, state }] of seen)
      if ((await stateOf(table)) !== state) throw new ChangedTableError(name);
  };
  const tables: FrozenTables = {
    ...{ place, syntax, text },
    describe: async (table) => {
      const name = `${table.schema}.${table.table}`;
      if (!seen.has(name)) seen.set(name, { table, state: await stateOf(table) });
      return await describe(table);
    },
  };
  let result: T;
  try {
    result = await act(tables);
  } catch (error) {
    // A fault that comes of a change is none of the tables.
    await requireSame();
    throw error;
  }
  await requireSame();
  return result;
}
