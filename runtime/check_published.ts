import type { BodyContext } from "../definitions/body.ts";
import type { Attempt, CheckContext } from "../resources/store.ts";
import type { OpenStores } from "../resources/stores.ts";
import { bindChecks } from "./check_bounds.ts";
import { historyOf } from "./history.ts";
import { judgePartitions, reportPartitions } from "./partitions.ts";
import { checkReport } from "./report.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { AssetResult, RunRequest } from "./asset_run.ts";
import { planOf, requireSound } from "./run_asset.ts";

/**
 * Runs checks of an asset on the rows that are published, of all partitions or those of the run. Writes nothing.
 *
 * @param names Of the checks.
 * @throws FaultyAssetError
 */
export async function checkPublished(
  asset: ResolvedAsset,
  stores: OpenStores,
  context: BodyContext,
  request: RunRequest,
  names: readonly string[],
): Promise<AssetResult> {
  requireSound(asset);
  if (asset.target === null) throw new TypeError(`${asset.key} has no table`);
  const wanted = new Set(names);
  const checks = asset.checks.filter(({ name }) => wanted.delete(name));
  if (wanted.size > 0) throw new TypeError(`${asset.key} has no check ${[...wanted].join(", ")}`);
  const plan = planOf(asset, request);
  const target = {
    ...asset.target,
    // Of the publishes before, those count that were made as the rows are looked at.
    strategy:
      plan === null ? ({ kind: "replace" } as const) : ({ kind: "replacePartitions", partitions: plan.set } as const),
    buckets: plan?.buckets,
  };
  const { signal, log, partitionKeys } = context;
  const bound = bindChecks(asset, checks, context, request.now);
  const attempt: Attempt = {
    ...{ runId: request.runId, rootRunId: request.rootRunId },
    codeVersion: asset.codeVersion,
    startedAt: new Date(),
    partitionKeys,
    signal,
    log: log.info,
  };
  const store = await stores.get(asset.store);
  const history = await historyOf(checks, store, target, attempt);
  const against: CheckContext = { now: new Date(), window: bound.window, history, signal, log };
  const found = await store.checkPublished(target, plan?.set ?? null, bound.checks, against, attempt);
  const outcomes = plan === null ? found : judgePartitions(plan, found, against);
  for (const { check, passed, error } of outcomes)
    if (!passed) log.warning(`Check ${check.name} failed on the published rows${error === null ? "" : `: ${error}`}`);
  return {
    outcome: "checked",
    report: {
      dataVersion: undefined,
      metadata: {},
      checks: outcomes.map((one) => checkReport(one, true, request.redact)),
      partitions: plan === null ? null : reportPartitions(plan, null, outcomes, against),
    },
  };
}
