import { createHash } from "node:crypto";
import type { BodyContext } from "../definitions/body.ts";
import { metadata, type MetadataMap } from "../pipes/index.ts";
import type { RunPartition } from "./partitions.ts";
import { type AssetReport, type CheckReport, shareOf } from "./report.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { AssetResult, PartitionFailure } from "./asset_run.ts";
import { Turn } from "./turn.ts";

/** What adds up over partitions. */
const SUMS: ReadonlySet<string> = new Set([
  "rows_read",
  "rows_written",
  "rows_quarantined",
  "failed_rows",
  "checked_rows",
]);

/**
 * Computes the partitions of a run one by one, bodies of rows some side by side: each is staged, checked and published by
 * itself, with its own line in the ledger. One that fails leaves the others published; another attempt computes only
 * those that are not.
 *
 * @param run Computes one partition; takes its turn for what it does with the store.
 */
export async function runEach(
  asset: ResolvedAsset,
  context: BodyContext,
  partitions: readonly RunPartition[],
  run: (partition: RunPartition, context: BodyContext, turn: Turn) => Promise<AssetResult>,
): Promise<AssetResult> {
  const turn = new Turn();
  const results = new Map<RunPartition, AssetResult>();
  const failures: PartitionFailure[] = [];
  const waiting = [...partitions].reverse();
  const fail = (key: string, message: string): void => {
    failures.push({ key, message });
    context.log.error(`${key}: ${message}`);
  };
  let done = 0;
  const work = async (): Promise<void> => {
    for (let partition = waiting.pop(); partition !== undefined; partition = waiting.pop()) {
      const { key, window, value } = partition;
      try {
        const own = { ...context, partitionKeys: [key], window, keys: value === null ? null : [value] };
        const result = await run(partition, own, turn);
        results.set(partition, result);
        if (result.outcome === "refused") fail(key, `refused: ${refusing(result).join(", ")} failed`);
      } catch (error) {
        // Not the partition is at fault when the run is ended, and then no other is begun.
        context.signal.throwIfAborted();
        fail(key, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      }
      done += 1;
      context.log.info(`${done} of ${partitions.length} partitions done`);
    }
  };
  // A query or a copy is work of the store from its first row on.
  const sideBySide = asset.body.kind === "rows" ? (asset.defined.options.each?.concurrency ?? 1) : 1;
  const ended = await Promise.allSettled(Array.from({ length: Math.min(sideBySide, partitions.length) }, work));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  const inOrder = partitions.flatMap((partition) => results.get(partition) ?? []);
  return {
    outcome: failures.length === 0 ? "published" : "partial",
    report: together(asset, inOrder),
    failures: failures.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function refusing({ report }: AssetResult): string[] {
  return report.checks.flatMap(({ name, passed, severity }) => (passed || severity !== "ERROR" ? [] : [name]));
}

/** The reports of partitions as that of the run. */
function together(asset: ResolvedAsset, results: readonly AssetResult[]): AssetReport {
  const published = results.filter(({ outcome }) => outcome !== "refused").map(({ report }) => report);
  const versions = published.map(({ dataVersion }) => dataVersion ?? "");
  return {
    dataVersion: createHash("sha256").update(versions.join("\n")).digest("hex").slice(0, 32),
    metadata: addUp(published.map((report) => report.metadata)),
    checks: asset.checks.map(({ name }): CheckReport => {
      const verdicts = results.flatMap(({ report }) => report.checks.filter((check) => check.name === name));
      return {
        name,
        passed: verdicts.every(({ passed }) => passed),
        severity: verdicts[0]?.severity ?? "ERROR",
        metadata: addUp(verdicts.map((verdict) => verdict.metadata)),
      };
    }),
    partitions: results.flatMap(({ report }) => report.partitions ?? []),
  };
}

/** Of the last one, with the numbers that add up. */
function addUp(all: readonly MetadataMap[]): MetadataMap {
  const last = { ...all.at(-1) };
  for (const name of Object.keys(last)) {
    if (!SUMS.has(name) && !name.startsWith("seconds_") && name !== "dagster/partition_row_count") continue;
    const values = all.map((one) =>
      Number((one[name] as { readonly raw_value?: unknown } | undefined)?.raw_value ?? 0),
    );
    const sum = values.reduce((whole, value) => whole + value, 0);
    last[name] = name.startsWith("seconds_") ? metadata.float(Math.round(sum * 1000) / 1000) : metadata.int(sum);
  }
  if ("failed_share" in last) {
    const [failed, checked] = [last["failed_rows"], last["checked_rows"]].map((one) =>
      Number((one as { readonly raw_value?: unknown } | undefined)?.raw_value ?? 0),
    );
    last["failed_share"] = metadata.float(shareOf(failed ?? 0, checked ?? 0));
  }
  return last;
}
