import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Manifest } from "../definitions/manifest_schema.ts";
import { definedAssets } from "../definitions/registry.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { locate } from "./locate.ts";
import { type ResolvedAsset, resolveAsset } from "./resolve.ts";

/** No file defines the asset. */
export class UnknownAssetError extends ProjectError {
  readonly code = "unknown_asset";
  readonly retryable = false;
}

/**
 * Loads one asset, and of the others only what it imports.
 *
 * @param key `schema/table`
 * @throws UnknownAssetError
 */
export async function findAsset(key: string, projectDir: string): Promise<ResolvedAsset> {
  // Node imports files by their real path, so that is where assets are found to be defined.
  return await findIn(realpathSync(projectDir), key);
}

async function findIn(projectDir: string, key: string): Promise<ResolvedAsset> {
  const byPath = join(projectDir, "assets", `${key}.ts`);
  // The key of an asset that a loop builds is no path; the manifest knows its file.
  const path = /^\w+\/\w+$/.test(key) && existsSync(byPath) ? byPath : tryGetFile(key, projectDir);
  if (path !== undefined) await import(pathToFileURL(path).href);
  const all = definedAssets().map((asset) => locate(asset, projectDir));
  const defined = all.find((asset) => asset.key === key);
  if (defined === undefined) {
    throw new UnknownAssetError(
      `no file defines the asset ${JSON.stringify(key)}: expected assets/${key}.ts, or a manifest.json that names its file`,
    );
  }
  const assetFiles = new Set(all.map(({ position }) => position.file));
  return resolveAsset(defined, projectDir, assetFiles);
}

function tryGetFile(key: string, projectDir: string): string | undefined {
  const path = join(projectDir, "manifest.json");
  if (!existsSync(path)) return undefined;
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  const file = manifest.assets.find((asset) => asset.key.join("/") === key)?.sources[0]?.file;
  return file === undefined ? undefined : join(projectDir, file);
}
