import type { ManifestAsset } from "../definitions/manifest_schema.ts";
import {
  type KeyPartitions,
  groundOf,
  keysOf,
  type PartitionMapping,
  type Partitions,
} from "../definitions/partitions.ts";
import type { ResolvedAsset } from "./resolve.ts";

type ManifestMapping = ManifestAsset["partition_mappings"][number];

/** By the key of each asset that there is. */
export type PartitionsByKey = ReadonlyMap<string, Partitions | undefined>;

/** What Dagster is to be told of the partitions that an asset reads, and what is wrong with them, as texts. */
export function mappingsOf({ deps, defined }: ResolvedAsset, all: PartitionsByKey): (ManifestMapping | string)[] {
  const { partitions: to, partitionMappings = [] } = defined.options;
  return deps.flatMap((assetKey) => {
    const declared = partitionMappings.find((mapping) => mapping.assetKey === assetKey);
    return mappingOf({ assetKey, from: all.get(assetKey), to, declared }) ?? [];
  });
}

/** Two assets, one of which reads the other. */
export interface Dependency {
  /** `schema/table` of the asset that is read. */
  readonly assetKey: string;
  /** Of that asset. */
  readonly from: Partitions | undefined;
  /** Of the asset that reads. */
  readonly to: Partitions | undefined;
  /** What the asset says. */
  readonly declared: PartitionMapping | undefined;
}

/** What Dagster is to be told of a dependency; `null`: it infers the same by itself. A text: what is wrong with it. */
export function mappingOf({ assetKey, from, to, declared }: Dependency): ManifestMapping | null | string {
  const asset = assetKey.split("/");
  if (declared?.kind === "all") return { kind: "all", asset };
  if (declared?.kind === "keys") return { kind: "keys", asset, keys: [...declared.keys] };
  if (from?.kind === "two_dimensional" && to?.kind === "two_dimensional") {
    if (declared === undefined && groundOf(from) === groundOf(to)) return null;
    const offset = declared?.kind === "offset" ? declared : { start: 0, end: 0 };
    const time = declared?.kind === "last" ? "last" : "offset";
    const isSame = shareKeys(from.keys, to.keys);
    return { kind: "dimensions", asset, time, start: offset.start, end: offset.end, same_keys: isSame };
  }
  if (declared?.kind === "last") {
    if (from?.kind !== "two_dimensional") return { kind: "last", asset };
    return `partitionMappings: lastOf ${assetKey}, whose partitions have two dimensions, is for an asset with two: say allOf or someOf`;
  }
  if (declared?.kind === "offset") {
    if (from === undefined || to === undefined || ("start" in from && "start" in to))
      return { kind: "offset", asset, start: declared.start, end: declared.end };
    return `partitionMappings: offsetOf ${assetKey} is between times, or between partitions with two dimensions: say allOf or someOf`;
  }
  if (from === undefined || to === undefined || isInferred(from, to)) return null;
  return (
    `reads ${assetKey}, whose partitions are others and say nothing of the asset's own: say which of them it reads, ` +
    `partitionMappings: [allOf(…)] or [someOf(…)]`
  );
}

/** Whether Dagster knows by itself which partitions belong together, where not both have two dimensions. */
function isInferred(from: Partitions, to: Partitions): boolean {
  if (from.kind !== "two_dimensional" && to.kind !== "two_dimensional")
    return "start" in from ? "start" in to : from.kind === to.kind;
  const [one, other] = [from, to].map(keysOf);
  return one === undefined || other === undefined || groundOf(one) === groundOf(other);
}

/** Whether the same text is the same key: else all keys of one are read for each of the other. */
function shareKeys(from: KeyPartitions, to: KeyPartitions): boolean {
  if (from.kind === "static" && to.kind === "static") return from.keys.some((key) => to.keys.includes(key));
  return groundOf(from) === groundOf(to);
}
