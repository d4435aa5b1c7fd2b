import type { ManifestAsset } from "../../definitions/manifest_schema.ts";
import type { SourcePosition } from "../../definitions/fault.ts";
import type { Sync } from "../../definitions/superset/dataset.ts";
import { DEFAULT_STORE } from "../../resources/stores.ts";
import { projectPath } from "../import_scan.ts";
import type { ResolvedAsset } from "../resolve.ts";

/** A step that takes longer than this waits for a Superset that hangs. */
const TIMEOUT_SECONDS = 900;

/** What a project declares for Superset, as an asset of Dagster that follows others. */
export interface SupersetNode {
  /** `superset/snapshot`, `superset/dataset/<schema>/<table>`, `superset/dashboard/<name>` or `superset/warm/<name>`. */
  readonly key: string;
  readonly description: string;
  /** Keys of the assets that it follows. */
  readonly deps: readonly string[];
  readonly sync: Sync;
  readonly owners: readonly string[];
  readonly codeVersion: string;
  /** Where it is declared. */
  readonly position: SourcePosition;
}

/** The first part of the keys of what is in Superset. */
const FOLDER = "superset";

/** The key of the node that shows the tables of DuckDB to Superset. */
export const SNAPSHOT_KEY = `${FOLDER}/snapshot`;

/** The key of the node that lists the dashboards that people made. */
export const HAND_MADE_KEY = `${FOLDER}/hand_made`;

/** What the dataset of an asset follows: the asset first, then what Superset reads instead of a file of DuckDB. */
export function datasetDeps({ key, store }: Pick<ResolvedAsset, "key" | "store">): string[] {
  return store === DEFAULT_STORE ? [key, SNAPSHOT_KEY] : [key];
}

/** The key of the node that syncs the dataset of an asset. */
export function datasetKey(assetKey: string): string {
  return `${FOLDER}/dataset/${assetKey}`;
}

/** The key of the asset whose dataset a node syncs; `undefined`: it is no such node. */
export function tryGetDatasetAsset(key: string): string | undefined {
  const [folder, kind, ...parts] = key.split("/");
  return folder === FOLDER && kind === "dataset" && parts.length === 2 ? parts.join("/") : undefined;
}

/** Whether a key is that of something in Superset, rather than of an asset of two parts. */
export function isInSuperset(key: string): boolean {
  if (key === SNAPSHOT_KEY || key === HAND_MADE_KEY) return true;
  return key.startsWith(`${FOLDER}/`) && key.split("/").length > 2;
}

/** The nodes of the datasets that assets declare, sorted as the assets are. */
export function datasetNodes(assets: readonly ResolvedAsset[]): SupersetNode[] {
  return assets.flatMap((asset) => {
    const { superset, owners = [] } = asset.defined.options;
    if (superset === undefined || asset.target === null) return [];
    return [
      {
        key: datasetKey(asset.key),
        description: `The dataset of ${asset.key} in Superset: its columns, metrics and descriptions, and a cache without old rows.`,
        deps: datasetDeps(asset),
        sync: superset.sync ?? "onMaterialize",
        owners,
        codeVersion: asset.codeVersion,
        position: asset.defined.position,
      },
    ];
  });
}

/** A node as the manifest has it: an asset without a table. */
export function describeNode(node: SupersetNode, projectDir: string): ManifestAsset {
  return {
    key: node.key.split("/"),
    body: "superset",
    store: null,
    table: null,
    description: node.description,
    deps: node.deps.map((dep) => dep.split("/")),
    columns: [],
    checks: [],
    partitions: null,
    partition_mappings: [],
    each: false,
    max_partitions_per_run: null,
    freshness: null,
    automation: node.sync === "onMaterialize" ? { kind: "eager" } : null,
    owners: [...node.owners],
    tags: { "superset/sync": node.sync },
    kinds: [FOLDER],
    group: FOLDER,
    pool: FOLDER,
    // The client has tried again for seconds; these are for a Superset that restarts.
    retry: { max_retries: 3, delay_seconds: 5, backoff: "exponential", jitter: null },
    timeout_seconds: TIMEOUT_SECONDS,
    incremental: false,
    exclusive: null,
    code_version: node.codeVersion,
    sources: [{ file: projectPath(projectDir, node.position.file), line: node.position.line }],
  };
}
