import type { z } from "zod";
import type { Rows } from "../definitions/body.ts";
import type { differences } from "../definitions/diff.ts";
import { compareTables, type FrozenTables, type TableDiff } from "../resources/store_diff.ts";
import type { Attempt } from "../resources/store.ts";
import { type OpenStores, withFrozenPostgres } from "../resources/stores.ts";
import type { ComparedSource, ComparedSources } from "./compared_sources.ts";
import type { Staging } from "./stage.ts";

type DifferenceRow = z.input<typeof differences>;

/**
 * Compares two tables and yields how they differ, a row for each value.
 *
 * @param onFound Hears of all of it in one line.
 */
export function diffRows(
  sources: ComparedSources,
  { stores, attempt }: Pick<Staging, "stores" | "attempt">,
  onFound: (summary: string) => void,
): Rows<unknown>["rows"] {
  return async function* ({ log, signal }) {
    const { left, right, key, columns, limit } = sources;
    const started = performance.now();
    const found = await withBoth(left, right, stores, attempt, (a, b) =>
      compareTables({
        ...{ left: { snapshot: a, table: left.target }, right: { snapshot: b, table: right.target } },
        ...{ key, columns, limit, signal },
      }),
    );
    onFound(summary(found));
    log.info(`${summary(found)}; ${((performance.now() - started) / 1000).toFixed(1)} s`);
    yield [...rowsOf(found)];
  };
}

/** Both tables as they are at one moment, where one store can say so. */
async function withBoth<T>(
  left: ComparedSource,
  right: ComparedSource,
  stores: OpenStores,
  attempt: Attempt,
  act: (left: FrozenTables, right: FrozenTables) => Promise<T>,
): Promise<T> {
  const open = async (source: ComparedSource, then: (snapshot: FrozenTables) => Promise<T>): Promise<T> => {
    if (source.store === null) return await withFrozenPostgres(source.target.url, process.env, attempt, then);
    const store = await stores.get(source.store);
    if (store.withFrozenTables === undefined) throw new TypeError(`${source.store.name} lends no snapshot`);
    return await store.withFrozenTables(attempt, then);
  };
  return await open(left, async (a) =>
    placeOf(left) === placeOf(right) ? await act(a, a) : await open(right, (b) => act(a, b)),
  );
}

function placeOf({ store, target }: ComparedSource): string {
  return store === null ? `postgres ${target.url}` : `${store.name} ${store.name === "postgres" ? "DATABASE_URL" : ""}`;
}

/** What was found, in one line. */
function summary({ left, right, onlyLeft, onlyRight, changed, unreadParts, pulledRows }: TableDiff): string {
  const rows = (count: bigint | number): string => count.toLocaleString("en");
  return (
    `${left.name}: ${rows(left.rows)} rows; ${right.name}: ${rows(right.rows)} rows; ` +
    `${rows(onlyLeft)} only left, ${rows(onlyRight)} only right, ${rows(changed)} changed` +
    (unreadParts === 0 ? "" : `, and more in ${rows(unreadParts)} parts that were not read`) +
    `; ${rows(pulledRows)} rows read`
  );
}

function* rowsOf(found: TableDiff): Generator<DifferenceRow> {
  const empty = { row_key: null, column_name: null, left_value: null, right_value: null };
  const keyOf = (values: readonly string[]): string =>
    JSON.stringify(Object.fromEntries(found.key.map((name, index) => [name, values[index] ?? ""])));
  for (const { kind, key, columns } of found.differences) {
    const row = { ...empty, difference: kind, row_key: keyOf(key) };
    if (kind !== "changed") yield row;
    for (const { name, left, right } of columns)
      yield { ...row, column_name: name, left_value: left, right_value: right };
  }
  const { left, right } = found;
  const value = (count: bigint | undefined): string | null => (count === undefined ? null : String(count));
  if (left.nullKeys + right.nullKeys > 0n)
    yield {
      ...{ ...empty, difference: "null_key" },
      ...{ left_value: value(left.nullKeys), right_value: value(right.nullKeys) },
    };
  const twins = new Map<string, DifferenceRow>();
  for (const side of ["left", "right"] as const)
    for (const { key, rows } of found[side].duplicates) {
      const name = keyOf(key);
      const row = twins.get(name) ?? { ...empty, difference: "duplicate_key", row_key: name };
      twins.set(name, { ...row, [side === "left" ? "left_value" : "right_value"]: value(rows) });
    }
  yield* twins.values();
  const listed = BigInt(found.differences.length);
  const isWhole =
    found.unreadParts === 0 &&
    found.onlyLeft + found.onlyRight + found.changed === listed &&
    [left, right].every((side) => side.duplicateKeys === BigInt(side.duplicates.length));
  if (!isWhole) yield { ...empty, difference: "not_listed" };
  // Whatever is not equal must not pass for it.
  else if (!found.isEqual && listed === 0n && twins.size === 0 && left.nullKeys + right.nullKeys === 0n)
    throw new TypeError("the tables differ, but nothing was found that does");
}
