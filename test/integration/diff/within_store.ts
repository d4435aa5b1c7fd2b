import { expect } from "vitest";
import type { FrozenTables } from "../../../resources/frozen_tables.ts";
import { compareTables, type DiffRequest, type TableDiff } from "../../../resources/store_diff.ts";

export interface Table {
  readonly schema: string;
  readonly table: string;
}

/** Compares two tables by columns that are the key of both. */
export type Compare = (
  left: Table,
  right: Table,
  key: readonly string[],
  options?: Partial<Pick<DiffRequest, "columns" | "limit">> & {
    /** Done when all is read, before the tables are let go. */
    readonly meanwhile?: () => Promise<void>;
  },
) => Promise<TableDiff>;

/** Compares tables of one store. */
export function compareWithin(
  freeze: (act: (snapshot: FrozenTables) => Promise<TableDiff>) => Promise<TableDiff>,
): Compare {
  return (left, right, key, { columns = null, limit = 1_000, meanwhile } = {}) =>
    freeze(async (snapshot) => {
      const found = await compareTables({
        ...{ left: { snapshot, table: left }, right: { snapshot, table: right } },
        ...{ key: key.map((name) => ({ left: name, right: name })), columns, limit },
        signal: new AbortController().signal,
      });
      await meanwhile?.();
      return found;
    });
}

/**
 * Expects that all four differences between 20,000 orders and others are found, and few rows read.
 *
 * @param tables.changed Without order 12345, with the new one -99, another amount of 7 and another note of 33.
 */
export async function expectFourDifferences(
  compare: Compare,
  {
    orders,
    same,
    changed,
    empty,
  }: {
    readonly orders: Table;
    readonly same: Table;
    readonly changed: readonly Table[];
    readonly empty: readonly [Table, Table];
  },
): Promise<void> {
  for (const right of changed) {
    const found = await compare(orders, right, ["id"]);
    expect(
      found.differences.map(({ kind, key, columns }) => [kind, ...key, ...columns.map(({ name }) => name)]),
    ).toEqual(
      [["only_right", "-99"], ["changed", "7", "amount"], ["changed", "33", "note"], ["only_left", "12345"]], // prettier-ignore
    );
    expect(found).toMatchObject({ isEqual: false, unreadParts: 0, left: { rows: 20_000n }, right: { rows: 20_000n } });
    expect(found.pulledRows).toBeLessThan(600);
    const byBoth = await compare(orders, right, ["shop", "id"]);
    expect(byBoth).toMatchObject({ onlyLeft: 1n, onlyRight: 1n, changed: 2n, unreadParts: 0 });
    expect(byBoth.pulledRows).toBeLessThan(600);
  }
  expect(await compare(orders, same, ["id"])).toMatchObject({ isEqual: true, pulledRows: 0 });
  expect(await compare(orders, same, ["shop", "id"])).toMatchObject({ isEqual: true, pulledRows: 0 });
  const [none, nothing] = empty;
  expect(await compare(none, nothing, ["id"])).toMatchObject({ isEqual: true });
  expect(await compare(none, orders, ["id"], { limit: 10 })).toMatchObject({ isEqual: false, onlyRight: 20_000n });
}
