import { ProjectError } from "../definitions/project_error.ts";
import type { ComparedType, FoundColumn, FoundTable, FrozenTables, Spelling, TableName } from "./frozen_tables.ts";

/** Two tables cannot be compared as they are: columns are missing, or have types without a common spelling. */
export class NotComparableError extends ProjectError {
  readonly code = "not_comparable";
  readonly retryable = false;
}

/** The names of a column on both sides. */
export interface ColumnPair {
  readonly left: string;
  readonly right: string;
}

/** A column on one side. */
export interface ComparedColumn extends FoundColumn {
  readonly type: ComparedType;
  readonly spelling: Spelling;
}

/** A column on both sides. */
export interface ComparedPair {
  /** By which it is shown: that of the left side. */
  readonly name: string;
  readonly left: ComparedColumn;
  readonly right: ComparedColumn;
}

/** One of two tables. */
export interface ComparedTable {
  readonly snapshot: FrozenTables;
  readonly table: TableName;
}

/** Which columns name a row, and which are compared besides. */
export interface ComparedColumns {
  readonly key: readonly ComparedPair[];
  readonly columns: readonly ComparedPair[];
}

/**
 * Pairs the columns of two tables.
 *
 * @param wanted Besides the key; `null`: all, which both tables must have then.
 * @throws NotComparableError with everything that is wrong
 */
export function pairColumns(
  sides: { readonly left: ComparedTable; readonly right: ComparedTable },
  found: { readonly left: FoundTable; readonly right: FoundTable },
  key: readonly ColumnPair[],
  wanted: readonly ColumnPair[] | null,
): ComparedColumns {
  const faults: string[] = [];
  const left = new Map(found.left.columns.map((column) => [column.name, column]));
  const right = new Map(found.right.columns.map((column) => [column.name, column]));
  const keys = { left: new Set(key.map((pair) => pair.left)), right: new Set(key.map((pair) => pair.right)) };
  const rest =
    wanted?.filter((pair) => !keys.left.has(pair.left)) ??
    [...left.keys()].flatMap((name) => (keys.left.has(name) ? [] : [{ left: name, right: name }]));
  if (wanted === null) {
    const extra = [...right.keys()].filter((name) => !keys.right.has(name) && !left.has(name));
    if (extra.length > 0)
      faults.push(`${nameOf(sides.left)} has no column ${quoted(extra)}: name in columns what is to be compared`);
  }
  const pair = (names: ColumnPair): ComparedPair[] => {
    const [a, b] = [left.get(names.left), right.get(names.right)];
    if (a === undefined) faults.push(`${nameOf(sides.left)} has no column ${quoted([names.left])}`);
    if (b === undefined) faults.push(`${nameOf(sides.right)} has no column ${quoted([names.right])}`);
    if (a === undefined || b === undefined) return [];
    const spelling = commonSpelling(a, b);
    if (spelling === undefined || a.type === null || b.type === null) {
      faults.push(
        `column ${quoted([names.left])}: ${a.typeName} of ${sides.left.snapshot.place} cannot be compared with ` +
          `${b.typeName} of ${sides.right.snapshot.place}: leave it out, or compare views that cast it`,
      );
      return [];
    }
    return [{ name: names.left, left: { ...a, type: a.type, spelling }, right: { ...b, type: b.type, spelling } }];
  };
  const compared = { key: key.flatMap(pair), columns: rest.flatMap(pair) };
  if (faults.length > 0)
    throw new NotComparableError(`${nameOf(sides.left)} and ${nameOf(sides.right)}: ${faults.join("; ")}`);
  return compared;
}

/** `schema.table` and where it is. */
export function nameOf({ snapshot, table }: ComparedTable): string {
  return `${table.schema}.${table.table} in ${snapshot.place}`;
}

/** A spelling in which equal values of both columns are the same text; `undefined`: there is none. */
function commonSpelling({ type: a }: FoundColumn, { type: b }: FoundColumn): Spelling | undefined {
  if (a === null || b === null) return undefined;
  if (a.kind === "decimal" && b.kind === "decimal" && a.scale !== null && a.scale === b.scale) return "decimal";
  if (isExact(a) && isExact(b)) return a.kind === "integer" && b.kind === "integer" ? "integer" : "number";
  return a.kind === b.kind ? a.kind : undefined;
}

function isExact({ kind }: ComparedType): boolean {
  return kind === "integer" || kind === "decimal";
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}
