import type { Check } from "../definitions/check.ts";
import type { Attempt, CheckOutcome, EarlierPublish, LedgerEntry, Store, Target } from "../resources/store.ts";

/** What later publishes are compared with, in the report that the ledger keeps of each. */
export interface Profile {
  /** How the rows joined the table: those of a run that adds some say nothing about those of a whole table. */
  readonly strategy: string;
  /** The share of NULL in the columns whose drift is checked. */
  readonly nullShares: Readonly<Record<string, number>>;
}

/** What a publish is remembered by. */
export function profileOf(target: Target, outcomes: readonly CheckOutcome[]): Profile {
  const shares = outcomes.flatMap(({ check, counts: { failedRows, checkedRows }, error }): [string, number][] =>
    check.rule.kind !== "null_rate_drift" || error !== null || checkedRows === 0n
      ? []
      : [[check.columns[0] ?? "", Number(failedRows) / Number(checkedRows)]],
  );
  return { strategy: target.strategy.kind, nullShares: Object.fromEntries(shares) };
}

/** The latest publishes that were made in the same way, as far as a check compares with them. */
export async function historyOf(
  checks: readonly Check[],
  store: Store,
  target: Target,
  attempt: Attempt,
): Promise<readonly EarlierPublish[]> {
  const limit = Math.max(0, ...checks.map(({ rule }) => ("last" in rule ? rule.last : 0)));
  if (limit === 0) return [];
  const ofPartitions = target.strategy.kind === "replacePartitions";
  const entries = await store.recentPublishes(target, attempt, { limit, ofPartitions });
  return entries.flatMap((entry) => earlierPublish(entry, target));
}

function earlierPublish({ report, rowCount, partitionKeys }: LedgerEntry, { strategy }: Target): EarlierPublish[] {
  const { profile } = JSON.parse(report) as { readonly profile?: Profile };
  if (profile?.strategy !== strategy.kind) return [];
  return [
    {
      rowCount: Number(rowCount) / Math.max(1, partitionKeys?.length ?? 1),
      nullShares: new Map(Object.entries(profile.nullShares)),
    },
  ];
}
