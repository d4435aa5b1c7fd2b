import type { BodyContext } from "../definitions/body.ts";
import type { Column } from "../definitions/column_type.ts";
import type { Attempt, LedgerEntry, StagedFacts } from "../resources/store.ts";
import type { Redact } from "./redaction.ts";
import type { AssetReport } from "./report.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { AssetResult } from "./asset_run.ts";

/** What the ledger is told of a publish without a cursor. */
export function ledgerEntry(
  asset: ResolvedAsset,
  columns: readonly Column[],
  { runId, rootRunId, codeVersion, startedAt, partitionKeys = null }: Attempt,
  { rowCount, contentHash }: StagedFacts,
  report: AssetReport,
  redact: Redact,
): LedgerEntry {
  const declared = new Set(asset.defined.columns.map(({ name }) => name));
  return {
    ...{ assetKey: asset.key, runId, rootRunId, codeVersion, partitionKeys, rowCount, contentHash, startedAt },
    columns: columns.map(({ name, type, nullable }) => ({
      ...{ name, type: asset.store.typeName(type), nullable },
      ...(declared.has(name) ? {} : { evolved: type }),
    })),
    cursor: null,
    // Everyone who can read the warehouse can read it.
    report: JSON.stringify(report, (_key, value: unknown) => (typeof value === "string" ? redact(value) : value)),
  };
}

/** What an earlier attempt published, told in its place. */
export function reuse({ runId, report }: LedgerEntry, context: BodyContext): AssetResult {
  context.log.info(
    `Published by run ${runId} at an earlier attempt, which could not report it; reported now, nothing done twice`,
  );
  return { outcome: "reused", report: JSON.parse(report) as AssetReport };
}
