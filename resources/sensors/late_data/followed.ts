import type { DefinedAsset } from "../../../definitions/asset.ts";
import type { PostgresSource } from "../../../definitions/body.ts";
import { tryGetSeconds } from "../../../definitions/duration.ts";
import type { TimePartitions } from "../../../definitions/partitions.ts";
import { readsOf } from "../../../definitions/reads.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import type { TableRef } from "../../../definitions/sql.ts";
import { SensorOptionError } from "../errors.ts";

/** An asset that is computed again where it lacks late rows. */
export interface Followed {
  readonly asset: TableRef;
  readonly key: string;
  /** `null`: it is computed as a whole. */
  readonly partitions: TimePartitions | null;
  /** Whether it reads the source itself. */
  readonly isFirst: boolean;
  /** Those of the others that it reads, and by how many of their partitions before and after its own. */
  readonly reads: readonly { readonly key: string; readonly start: number; readonly end: number }[];
  /** After so long a run has ended, one way or the other. */
  readonly longestRunMs: number;
}

const DEFAULT_TIMEOUT_SECONDS = 3_600;
/** A process that is ended takes some time for it. */
const END_SECONDS = 60;

/**
 * The assets of a sensor, each after those that it reads.
 *
 * @throws SensorOptionError when late rows cannot be followed through them
 */
export function followedAssets(assets: readonly TableRef[], source: TableRef | PostgresSource): Followed[] {
  const sourceKey = "format" in source ? null : source.assetKey;
  const all = new Map(definedAssets().map((asset) => [asset.key, asset]));
  const listed = new Set(assets.map(({ assetKey }) => assetKey));
  const open = assets.map((asset) => follow(asset, all, listed, sourceKey));
  const ordered: Followed[] = [];
  while (open.length > 0) {
    const next = open.findIndex(({ reads }) => !reads.some(({ key }) => open.some((one) => one.key === key)));
    if (next === -1) throw new SensorOptionError(`${open.map(({ key }) => key).join(", ")} read each other`);
    ordered.push(...open.splice(next, 1));
  }
  return ordered;
}

function follow(
  asset: TableRef,
  all: ReadonlyMap<string, DefinedAsset>,
  listed: ReadonlySet<string>,
  sourceKey: string | null,
): Followed {
  const key = asset.assetKey;
  const defined = all.get(key);
  if (defined === undefined) throw new SensorOptionError(`no file defines ${key}`);
  const { options, columns } = defined;
  if (columns.length === 0) throw new SensorOptionError(`${key} has no table that could lack late rows`);
  const direct = readsOf(options);
  for (const one of direct) {
    const between = listed.has(one) || one === sourceKey ? undefined : wayTo(one, all, listed, sourceKey);
    if (between !== undefined)
      throw new SensorOptionError(
        `${key} reads ${one}, which reads ${between}: late rows come to it by ${one}, so list that among the assets too`,
      );
  }
  const reads = [...direct]
    .filter((one) => listed.has(one) && one !== key)
    .map((one) => ({ key: one, ...offsetOf(defined, one) }));
  const isFirst = sourceKey === null ? reads.length === 0 : direct.has(sourceKey);
  if (!isFirst && reads.length === 0)
    throw new SensorOptionError(`${key} reads neither the source ${sourceKey ?? ""} nor another of the assets`);
  const { partitions = null } = options;
  if (partitions !== null && !("start" in partitions))
    throw new SensorOptionError(`the partitions of ${key} are no times, so no row is of one by its time`);
  if (isFirst && partitions === null)
    throw new SensorOptionError(
      `${key} reads the source and has no partitions: there is no part of it to compute again`,
    );
  const whole = reads.find((one) => all.get(one.key)?.options.partitions === undefined);
  if (partitions !== null && whole !== undefined)
    throw new SensorOptionError(`${key} reads ${whole.key}, which has no partitions: all of it would lack late rows`);
  const timeoutSeconds = tryGetSeconds(options.timeout ?? "") ?? DEFAULT_TIMEOUT_SECONDS;
  return { asset, key, partitions, isFirst, reads, longestRunMs: (timeoutSeconds + END_SECONDS) * 1000 };
}

function offsetOf({ key, options }: DefinedAsset, of: string): { readonly start: number; readonly end: number } {
  const mapping = options.partitionMappings?.find(({ assetKey }) => assetKey === of);
  if (mapping === undefined || options.partitions === undefined) return { start: 0, end: 0 };
  if (mapping.kind === "offset") return { start: mapping.start, end: mapping.end };
  throw new SensorOptionError(
    `${key} reads ${of} by a mapping of partitions other than offsetOf(…): which partitions lack late rows is not known`,
  );
}

/** The source or the listed asset that an unlisted one reads, through others or not. */
function wayTo(
  key: string,
  all: ReadonlyMap<string, DefinedAsset>,
  listed: ReadonlySet<string>,
  sourceKey: string | null,
  seen = new Set<string>(),
): string | undefined {
  const asset = all.get(key);
  if (asset === undefined || seen.has(key)) return undefined;
  seen.add(key);
  for (const one of readsOf(asset.options)) {
    const found = one === sourceKey || listed.has(one) ? one : wayTo(one, all, listed, sourceKey, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}
