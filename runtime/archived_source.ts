import type { DefinedAsset } from "../definitions/asset.ts";
import type { Archive } from "../definitions/body.ts";
import { tryGetSeconds } from "../definitions/duration.ts";
import type { Fault } from "../definitions/fault.ts";
import type { TimePartitions } from "../definitions/partitions.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { placeOf } from "./place.ts";

/** What an archive moves, and when. */
export interface ArchivedSource {
  readonly source: Target;
  readonly partitions: TimePartitions;
  readonly olderThanMs: number;
  readonly to: string;
}

const NO_PARTITIONS: TimePartitions = { kind: "daily", column: "", start: "1970-01-01", end: null, timezone: "UTC" };

/** Finds the table that an archive is of, and says what is wrong with it. */
export function resolveArchive(
  { source, olderThan, to }: Archive,
  defined: DefinedAsset,
  store: StoreKind,
): { readonly found: ArchivedSource; readonly faults: readonly Pick<Fault, "code" | "message">[] } {
  const key = (source as Archive["source"] | undefined)?.assetKey;
  const other = definedAssets().find((one) => one.key === key);
  // Without one, there is a fault about it.
  const place = placeOf(other ?? defined);
  const partitions = other?.options.partitions;
  const isByTime = partitions !== undefined && "start" in partitions;
  const found: ArchivedSource = {
    source: place.target,
    partitions: isByTime ? partitions : NO_PARTITIONS,
    olderThanMs: (tryGetSeconds(olderThan) ?? 0) * 1000,
    to,
  };
  const faults: Pick<Fault, "code" | "message">[] = [];
  const bad = (message: string): void => {
    faults.push({ code: "bad_option", message: `archive: ${message}` });
  };
  const cannot = store.archiveFault(to);
  if (cannot !== undefined) bad(`in ${store.name}: ${cannot}`);
  if (other === undefined) return { found, faults };
  if (place.store !== store)
    bad(`${other.key} is in ${place.store.name}, and a view reads its own store only, here ${store.name}`);
  if (!isByTime) bad(`${other.key} has no partitions by time, so none of its rows ever is cold`);
  const shapeOf = ({ columns }: DefinedAsset): string =>
    JSON.stringify(columns.map(({ name, type, nullable }) => [name, type, nullable]));
  if (shapeOf(other) !== shapeOf(defined))
    faults.push({
      code: "bad_column",
      message: `archive: the columns are not those of ${other.key}: write columns: ${other.key.split("/")[1] ?? ""}.columns`,
    });
  return { found, faults };
}
