import type { Column, ColumnType, RowValue } from "../definitions/column_type.ts";
import { ContractError } from "../resources/errors.ts";
import type { Attempt, LedgerEntry, Store, Target } from "../resources/store.ts";

/** New columns of one run: more are data in the place of columns, such as an object with a key for each customer. */
const MOST_NEW_COLUMNS = 100;
/** PostgreSQL's limit on names. */
const MAX_NAME_BYTES = 63;

/** A column that the contract does not have, and that its source brought. */
export function evolvedColumn(name: string, type: ColumnType): Column {
  return {
    name,
    type,
    value: valueOf(type),
    nullable: true,
    description: "Not in the contract: its source brought it",
  };
}

function valueOf({ kind }: ColumnType): RowValue {
  switch (kind) {
    case "int64":
      return "bigint";
    case "int32":
    case "float64":
      return "number";
    case "boolean":
      return "boolean";
    case "timestamp":
      return "date";
    case "json":
      return "json";
    default:
      return "string";
  }
}

/** The last publish of the table, by the ledger: its columns are those of the table. */
export async function lastPublish(store: Store, target: Target, attempt: Attempt): Promise<LedgerEntry | undefined> {
  const [last] = await store.recentPublishes(target, attempt, { limit: 1, ofPartitions: null });
  return last;
}

/** The columns that earlier runs added to the table and that the contract still does not name. */
export async function evolvedColumns(store: Store, target: Target, attempt: Attempt): Promise<Column[]> {
  const declared = new Set(target.columns.map(({ name }) => name));
  const last = await lastPublish(store, target, attempt);
  return (last?.columns ?? []).flatMap(({ name, evolved }) =>
    evolved === undefined || declared.has(name) ? [] : [evolvedColumn(name, evolved)],
  );
}

/**
 * Refuses a publish that would drop columns which the table has only because they evolved: whoever gives that up says of
 * each what is to become of it.
 *
 * @throws ContractError
 */
export function requireEvolved(target: Target, last: LedgerEntry | undefined): void {
  const has = new Set(target.columns.map(({ name }) => name));
  const gone = (last?.columns ?? []).filter(({ name, evolved }) => evolved !== undefined && !has.has(name));
  if (gone.length === 0) return;
  const list = gone.map(({ name, type }) => `${JSON.stringify(name)} (${type})`).join(", ");
  throw new ContractError(
    `${target.assetKey}: the table has columns that its source brought and the contract does not name: ${list}. Declare ` +
      'them, nullable, or say contract: "evolve"; nothing was published',
  );
}

/**
 * Refuses names that no column of the table can have, beside those that it has.
 *
 * @throws ContractError
 */
export function requireNewColumns(
  { assetKey }: Pick<Target, "assetKey">,
  present: readonly Pick<Column, "name">[],
  names: readonly string[],
): void {
  const fail = (why: string): never => {
    throw new ContractError(`${assetKey}: ${why}; nothing was published`);
  };
  if (names.length > MOST_NEW_COLUMNS)
    fail(
      `${names.length} new columns, at most ${MOST_NEW_COLUMNS} are added at once: ${names.slice(0, 5).join(", ")} …`,
    );
  const taken = new Map(present.map(({ name }) => [name.toLowerCase(), name]));
  for (const name of names) {
    const shown = JSON.stringify(name.slice(0, 100));
    const bytes = Buffer.byteLength(name);
    if (bytes === 0 || bytes > MAX_NAME_BYTES || name.includes("\0") || !name.isWellFormed() || name === "__proto__")
      fail(`${shown} cannot be a column: its name needs 1 to ${MAX_NAME_BYTES} bytes and no NUL character`);
    const twin = taken.get(name.toLowerCase());
    if (twin !== undefined)
      fail(`the source has a column ${shown}, which stores do not tell from ${JSON.stringify(twin)}`);
    taken.set(name.toLowerCase(), name);
  }
}
