import type { Fault } from "../definitions/fault.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** A second archive, whose view would miss the rows of the first, and tables that would lose rows as they become cold. */
export function archiveFaults(resolved: readonly ResolvedAsset[]): Fault[] {
  const faults: Fault[] = [];
  const archives = new Map<string, string>();
  for (const { key, body, defined } of resolved) {
    if (body.kind !== "archive") continue;
    const { assetKey } = body.source;
    const first = archives.get(assetKey);
    if (first === undefined) archives.set(assetKey, key);
    else {
      const message = `archive: ${first} archives ${assetKey} already, whose cold rows this view would not show`;
      faults.push({ code: "bad_option", asset: key, position: defined.position, message });
    }
  }
  for (const { key, sqlDeps, defined } of resolved) {
    const { partitions, write, partitionMappings = [] } = defined.options;
    // Those add to what they have, or read the time of their own partitions, which a run sees to.
    const isByTime = partitions !== undefined && "start" in partitions;
    for (const dep of sqlDeps) {
      const archive = archives.get(dep);
      const readsOthers = partitionMappings.some(({ assetKey }) => assetKey === dep);
      if (archive === undefined || write !== undefined || (isByTime && !readsOthers)) continue;
      const message = `reads "${dep}" in SQL, which loses its cold rows to an archive: read "${archive}", which has all`;
      faults.push({ code: "bad_option", asset: key, position: defined.position, message });
    }
  }
  return faults;
}
