import { readFileSync } from "node:fs";
import { type Manifest, manifestSchema } from "../../definitions/manifest_schema.ts";
import { groundOf, type TimePartitions } from "../../definitions/partitions.ts";
import { periodAt, spanOf } from "../../definitions/time_periods.ts";

/** What the first run computes. One Dagster run has one set of partitions. */
export interface FirstRun {
  /** Asset selection of Dagster. */
  readonly selection: string;
  /** `first...last`; `undefined`: no asset of the run has partitions. */
  readonly partitionRange: string | undefined;
  /** Assets with other partitions than those, which a run of all cannot compute. */
  readonly left: readonly string[];
}

type Asset = Manifest["assets"][number];

const nameOf = ({ key }: Asset): string => key.join("/");

/**
 * @param now Partitions that end later are left out: their data is not there yet.
 * @param without Assets that are not to run, and are none of those that are `left`.
 */
export function planFirstRun(manifestFile: string, now: Date, without: readonly string[]): FirstRun {
  const { assets } = manifestSchema.parse(JSON.parse(readFileSync(manifestFile, "utf8")));
  const wanted = assets.filter((asset) => !without.includes(nameOf(asset)));
  return plan(wanted, wanted.length === assets.length, now);
}

function plan(assets: readonly Asset[], areAll: boolean, now: Date): FirstRun {
  /** Range of partitions to the assets that have it. */
  const ranges = new Map<string, { readonly range: string; readonly names: string[] }>();
  for (const asset of assets) {
    const { partitions, max_partitions_per_run: perRun } = asset;
    if (partitions === null || !("start" in partitions) || perRun !== null) continue;
    const range = rangeOf(partitions, now);
    if (range === undefined) continue;
    // By whichever column: the same stretches of time are the same partitions.
    const definition = groundOf(partitions);
    const same = ranges.get(definition) ?? { range, names: [] };
    same.names.push(nameOf(asset));
    ranges.set(definition, same);
  }
  const most = [...ranges.values()].sort((a, b) => b.names.length - a.names.length)[0];
  const chosen = new Set([
    ...assets.filter(({ partitions }) => partitions === null).map(nameOf),
    ...(most?.names ?? []),
  ]);
  const left = assets.map(nameOf).filter((name) => !chosen.has(name));
  return {
    selection: areAll && left.length === 0 ? "*" : [...chosen].map((name) => `key:"${name}"`).join(" or "),
    partitionRange: most?.range,
    left,
  };
}

function rangeOf(partitions: TimePartitions, now: Date): string | undefined {
  const { start, end } = spanOf(partitions, new Date(Math.min(now.getTime(), Date.now())));
  if (start >= end) return undefined;
  return `${periodAt(partitions, start.getTime()).key}...${periodAt(partitions, end.getTime() - 1).key}`;
}
