import { join, sep } from "node:path";
import type { DefinedAsset } from "../definitions/asset.ts";

/**
 * Puts an asset to the file under `assets/` that it belongs to: a function of another file may have defined it for that
 * one, which is the outermost on the stack.
 */
export function locate(asset: DefinedAsset, projectDir: string): DefinedAsset {
  const folder = join(projectDir, "assets") + sep;
  const position = asset.callers.findLast(({ file }) => file.startsWith(folder)) ?? asset.position;
  return { ...asset, position, faults: asset.faults.map((fault) => ({ ...fault, position })) };
}
