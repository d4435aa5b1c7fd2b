import type { DefinedAsset } from "./asset.ts";

const defined: DefinedAsset[] = [];

/** Remembers an asset that was just defined. */
export function register(asset: DefinedAsset): void {
  defined.push(asset);
}

/** All the assets defined so far in this process, in the order of their definition. */
export function definedAssets(): readonly DefinedAsset[] {
  return defined;
}
