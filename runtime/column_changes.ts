import type { Break } from "../definitions/evolution.ts";
import type { ColumnType } from "../definitions/column_type.ts";
import type { LedgerEntry, StoreKind } from "../resources/store.ts";

/** Columns as the ledger keeps them: the type by its name in the store. */
type LedgerColumns = LedgerEntry["columns"];

/** How a column differs from what it was at the last publish. */
export interface ColumnChange {
  readonly column: string;
  /** `added`, `widened` and `required` break nothing that reads the table. */
  readonly change: Break["change"] | "added" | "widened" | "required";
  /** The difference, for people. */
  readonly text: string;
}

/** Whether what reads the table breaks by a change. */
export function isBreaking(found: ColumnChange): found is ColumnChange & Pick<Break, "change"> {
  return found.change === "removed" || found.change === "retyped" || found.change === "nullable";
}

/**
 * What has become of the columns of a table since its last publish, in the order of the columns before; added ones last.
 * Order does not count, upper and lower case do.
 *
 * @param typeName Of the store that both are of.
 */
export function columnChanges(
  before: LedgerColumns,
  after: LedgerColumns,
  typeName: StoreKind["typeName"],
): ColumnChange[] {
  const now = new Map(after.map((column) => [column.name, column]));
  const known = new Set(before.map(({ name }) => name));
  const added = after.filter(({ name }) => !known.has(name));
  const changes: ColumnChange[] = [];
  for (const { name, type, nullable } of before) {
    const add = (change: ColumnChange["change"], text: string): void => {
      changes.push({ column: name, change, text: `column ${JSON.stringify(name)} ${text}` });
    };
    const found = now.get(name);
    if (found === undefined) {
      const twins = added.filter((one) => one.type === type).map((one) => JSON.stringify(one.name));
      add("removed", `(${type}) is gone${twins.length === 0 ? "" : `, or was renamed to ${twins.join(" or ")}`}`);
      continue;
    }
    if (found.type !== type) {
      const isWider = holds(tryGetType(found.type, typeName), tryGetType(type, typeName));
      add(isWider ? "widened" : "retyped", `was ${type} and is ${found.type}`);
    }
    if (found.nullable && !nullable) add("nullable", "was never NULL and may be now");
    if (!found.nullable && nullable) add("required", "is never NULL any more");
  }
  for (const { name, type, nullable } of added)
    changes.push({
      column: name,
      change: "added",
      text: `column ${JSON.stringify(name)} (${type}${nullable ? "" : ", never NULL"}) is new`,
    });
  return changes;
}

/**
 * Whether each value of a type is one of another, and means the same to charts: integers stay integers, because dividing
 * them is another operation than dividing decimals.
 */
function holds(wide: ColumnType | undefined, narrow: ColumnType | undefined): boolean {
  if (wide?.kind === "int64" && narrow?.kind === "int32") return true;
  if (wide?.kind !== "decimal" || narrow?.kind !== "decimal") return false;
  return wide.scale >= narrow.scale && wide.precision - wide.scale >= narrow.precision - narrow.scale;
}

const SIMPLE = ["int32", "int64"] as const;

/** The type behind a store's name of it, where types can be wider than each other; `undefined`: they cannot. */
function tryGetType(name: string, typeName: StoreKind["typeName"]): ColumnType | undefined {
  const kind = SIMPLE.find((one) => typeName({ kind: one }) === name);
  if (kind !== undefined) return { kind };
  const [, precision, scale] = /^\w+\((\d+), ?(\d+)\)$/.exec(name) ?? [];
  const decimal: ColumnType = { kind: "decimal", precision: Number(precision), scale: Number(scale) };
  return typeName(decimal) === name ? decimal : undefined;
}
