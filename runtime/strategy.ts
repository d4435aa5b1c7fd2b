import type { WriteStrategy } from "../resources/store.ts";
import type { PartitionPlan } from "./partitions.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { RunRequest } from "./asset_run.ts";

/** A run of partitions replaces those and leaves the others. */
export function strategyOf(
  { defined }: ResolvedAsset,
  { fullRefresh }: Pick<RunRequest, "fullRefresh">,
  plan: PartitionPlan | null,
): WriteStrategy {
  const { write, key = [] } = defined.options;
  if (plan !== null) return { kind: "replacePartitions", partitions: plan.set };
  if (write === undefined || fullRefresh) return { kind: "replace" };
  return write.kind === "merge" ? { kind: "merge", key } : { kind: "append" };
}
