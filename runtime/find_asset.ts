import { realpathSync } from "node:fs";
import { definedAssets } from "../definitions/registry.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { importDefinition } from "./import_definition.ts";
import { locate } from "./locate.ts";
import { type ResolvedAsset, resolveAsset } from "./resolve.ts";
import { tryGetDashboardOf } from "./superset/dashboard_nodes.ts";
import { HAND_MADE_KEY, SNAPSHOT_KEY, tryGetDatasetAsset } from "./superset/nodes.ts";

/** No file defines the asset. */
export class UnknownAssetError extends ProjectError {
  readonly code = "unknown_asset";
  readonly retryable = false;
}

/**
 * Loads one asset, and of the others only what it imports.
 *
 * @param key `schema/table`, or of what is in Superset, such as `superset/dataset/schema/table`
 * @throws UnknownAssetError
 */
export async function findAsset(key: string, project: string): Promise<ResolvedAsset> {
  const dataset = tryGetDatasetAsset(key);
  // What talks to Superset is loaded only where it is needed.
  if (key === SNAPSHOT_KEY) return await (await import("./superset/snapshot_node.ts")).snapshotNode(project);
  if (dataset !== undefined) {
    const { datasetNode } = await import("./superset/dataset_node.ts");
    return datasetNode(await findAsset(dataset, project));
  }
  const shown = tryGetDashboardOf(key);
  if (shown !== undefined) {
    const { tryGetDashboardNode } = await import("./superset/dashboard_node.ts");
    const node = await tryGetDashboardNode(shown.kind, shown.name, project);
    if (node !== undefined) return node;
    throw new UnknownAssetError(`no file defines the dashboard of ${key}: expected assets/dashboards/${shown.name}.ts`);
  }
  if (key === HAND_MADE_KEY) {
    const { tryGetHandMadeNode } = await import("./superset/hand_made_node.ts");
    const node = await tryGetHandMadeNode(realpathSync(project));
    if (node !== undefined) return node;
    throw new UnknownAssetError("no asset has a dataset that a dashboard could show: give one superset: { … }");
  }
  // Node imports files by their real path, so that is where assets are found to be defined.
  const projectDir = realpathSync(project);
  await importDefinition(key, projectDir, ({ assets }) => assets);
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
