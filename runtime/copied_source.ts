import type { DefinedAsset } from "../definitions/asset.ts";
import type { Copy, ParquetSource, PostgresSource } from "../definitions/body.ts";
import type { Fault } from "../definitions/fault.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { placeOf } from "./place.ts";

/** What a copy reads, an asset with its table. */
export type CopiedSource = ParquetSource | PostgresSource | AssetSource;

/** The table of an asset in another store. */
export interface AssetSource {
  readonly format: "asset";
  readonly target: Target;
  readonly store: StoreKind;
}

/** Finds the table that a copy reads, and says what is wrong with it. */
export function resolveSource(
  { source, columns }: Copy,
  defined: DefinedAsset,
  store: StoreKind,
): { readonly source: CopiedSource; readonly faults: readonly Pick<Fault, "code" | "message">[] } {
  if ("format" in source) return { source, faults: [] };
  const other = definedAssets().find(({ key }) => key === source.assetKey);
  // Without one, there is a fault about it.
  const from = placeOf(other ?? defined);
  const found = { format: "asset", target: from.target, store: from.store } as const;
  if (other === undefined) return { source: found, faults: [] };
  const faults: Pick<Fault, "code" | "message">[] = [];
  if (from.store === store) {
    const message = `copy: ${other.key} is in ${store.name} too: write a query, which moves no row out of the store`;
    faults.push({ code: "bad_option", message });
  }
  const has = new Set(other.columns.map(({ name }) => name));
  const names = new Map<string, string>(columns.map((column) => [column.target, column.source]));
  const missing = defined.columns.map(({ name }) => names.get(name) ?? name).filter((name) => !has.has(name));
  if (missing.length > 0) {
    const message =
      `copy: ${other.key} has no column ${missing.map((name) => JSON.stringify(name)).join(", ")}: ` +
      "name its columns in copy(…, { columns: { mine: theirs } })";
    faults.push({ code: "unknown_column", message });
  }
  return { source: found, faults };
}
