import type { ComparedColumns, ComparedPair } from "./compared_columns.ts";

type Row = readonly (string | null)[];

/** A row that both tables do not have, or not with the same values. */
export interface RowDifference {
  readonly kind: "only_left" | "only_right" | "changed";
  /** The values of the key, in its order. */
  readonly key: readonly string[];
  /** Of `changed`: the columns that differ, each with both values. */
  readonly columns: readonly {
    readonly name: string;
    readonly left: string | null;
    readonly right: string | null;
  }[];
}

/** What the rows of some parts say. */
export interface ComparedRows {
  readonly differences: readonly RowDifference[];
  /** Rows that share their key with another one of their side: nobody knows which belong together. */
  readonly ambiguous: number;
}

/** Pairs rows of both sides by their keys, in the order of these. */
export function compareRows(
  { key, columns }: ComparedColumns,
  left: readonly Row[],
  right: readonly Row[],
): ComparedRows {
  const byKey = new Map<string, { readonly left: Row[]; readonly right: Row[] }>();
  const add = (rows: readonly Row[], side: "left" | "right"): void => {
    for (const row of rows) {
      const name = JSON.stringify(row.slice(0, key.length));
      const found = byKey.get(name) ?? { left: [], right: [] };
      found[side].push(row);
      byKey.set(name, found);
    }
  };
  add(left, "left");
  add(right, "right");
  const differences: RowDifference[] = [];
  let ambiguous = 0;
  for (const found of byKey.values()) {
    if (found.left.length > 1 || found.right.length > 1) {
      ambiguous += found.left.length + found.right.length;
      continue;
    }
    const [[a], [b]] = [found.left, found.right];
    const values = (a ?? b ?? []).slice(0, key.length).map((value) => value ?? "");
    if (a === undefined || b === undefined) {
      differences.push({ kind: a === undefined ? "only_right" : "only_left", key: shownKey(key, values), columns: [] });
      continue;
    }
    const changed = columns.flatMap((pair, index) => {
      const [x = null, y = null] = [a[key.length + index], b[key.length + index]];
      return x === y ? [] : [{ name: pair.name, left: shown(pair, x), right: shown(pair, y) }];
    });
    if (changed.length > 0) differences.push({ kind: "changed", key: shownKey(key, values), columns: changed });
  }
  return { differences: differences.sort((a, b) => compareKeys(key, a.key, b.key)), ambiguous };
}

/** The values of a key as people read them. */
export function shownKey(key: readonly ComparedPair[], values: readonly string[]): string[] {
  return key.map((pair, index) => shown(pair, values[index] ?? "") ?? "");
}

/** Doubles are compared as their bits, or after a sign of equality as the engine writes them. */
function shown({ left: { spelling } }: ComparedPair, value: string | null): string | null {
  if (spelling !== "double" || value === null || value === "nan") return value;
  if (value.startsWith("=")) return value.slice(1);
  return String(Buffer.from(value, "hex").readDoubleBE());
}

function compareKeys(key: readonly ComparedPair[], a: readonly string[], b: readonly string[]): number {
  for (const [index, { left }] of key.entries()) {
    const [x = "", y = ""] = [a[index], b[index]];
    if (x === y) continue;
    if (left.spelling === "integer") return BigInt(x) < BigInt(y) ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
