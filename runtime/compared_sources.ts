import type { PostgresSource } from "../definitions/body.ts";
import type { Diff, DiffSource } from "../definitions/diff.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { placeOf } from "./place.ts";

/** A table to compare. */
export type ComparedSource =
  | { readonly store: StoreKind; readonly target: Pick<Target, "schema" | "table"> }
  | { readonly store: null; readonly target: PostgresSource };

/** What a diff compares. */
export type ComparedSources = Pick<Diff, "key" | "columns" | "limit"> & {
  readonly left: ComparedSource;
  readonly right: ComparedSource;
};

/** Finds the tables that a diff compares, and says what is wrong with them. */
export function resolveDiff({ left, right, key, columns, limit }: Diff): {
  readonly found: ComparedSources;
  readonly faults: readonly string[];
} {
  const faults: string[] = [];
  const resolve = (source: DiffSource): ComparedSource => {
    if ("format" in source) return { store: null, target: source };
    const asset = definedAssets().find((one) => one.key === source.assetKey);
    const [schema = "", table = ""] = source.assetKey.split("/");
    // Without one, there is a fault about it.
    if (asset === undefined) return { store: null, target: { format: "postgres", schema, table, url: "" } };
    const { store, target } = placeOf(asset);
    if ("task" in asset.options.body) faults.push(`diffTables: ${asset.key} is a task and has no table`);
    return { store, target };
  };
  const sides = [resolve(left), resolve(right)] as const;
  const names = sides.map(({ store }) => store?.name ?? "postgres");
  for (const [index, { store, target }] of sides.entries()) {
    const fault = store?.diffFault?.(names[1 - index] ?? "");
    if (store !== null && fault !== undefined)
      faults.push(`diffTables: ${target.schema}/${target.table} is in ${store.name}: ${fault}`);
  }
  return { found: { left: sides[0], right: sides[1], key, columns, limit }, faults };
}
