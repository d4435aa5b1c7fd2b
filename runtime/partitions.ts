import type { TimeWindow } from "../definitions/body.ts";
import { keysOf, type Partitions, timeOf, type TimePartitions } from "../definitions/partitions.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { dayAt, type Period } from "../definitions/time_periods.ts";
import { isAboutTable } from "../definitions/check.ts";
import { judge, type Verdict } from "../resources/store_checks.ts";
import type {
  BucketFacts,
  Bucketing,
  Buckets,
  CheckContext,
  CheckOutcome,
  PartitionCondition,
  PartitionSet,
  StagedFacts,
  Target,
} from "../resources/store.ts";

/** A partition that a run computes. */
export interface RunPartition {
  readonly key: string;
  /** `null` where the partitions are keys. */
  readonly window: TimeWindow | null;
  /** Of the column whose values are the partitions; `null` where they are times. */
  readonly value: string | null;
}

/** A partition of time, as a run computes it. */
export function runPartition({ key, start, end }: Period): RunPartition & { readonly window: TimeWindow } {
  return { key, window: { start: new Date(start), end: new Date(end) }, value: null };
}

/** An instant by the column of the partitions: where that holds days, the midnight in UTC of the day on their clock. */
export function columnTime(definition: TimePartitions, { columns }: Pick<Target, "columns">, instant: Date): number {
  const isDay = columns.some(({ name, type }) => name === definition.column && type.kind === "date");
  return isDay ? dayAt(definition, instant.getTime()) : instant.getTime();
}

/** What a run found in one partition. */
export interface PartitionReport {
  readonly key: string;
  /** `null` where nothing was published. */
  readonly rowCount: number | null;
  /** The content hash of its rows; `null` where nothing was published. */
  readonly dataVersion: string | null;
  readonly checks: readonly PartitionVerdict[];
}

/** The verdict of a check on one partition. Without counts where a check cannot tell which partition a bad row is of. */
export interface PartitionVerdict {
  readonly name: string;
  readonly passed: boolean;
  readonly failedRows: number | null;
  readonly checkedRows: number | null;
}

/** Which rows a run of partitions replaces, and how they are counted by partition. */
export interface PartitionPlan {
  readonly partitions: readonly RunPartition[];
  readonly set: PartitionSet;
  readonly buckets: Buckets;
  /** The bucket of a partition, or the buckets from one to before another. */
  readonly bucketsOf: (partition: RunPartition) => Iterable<string>;
  /** The end of a partition by its column, where a day is its midnight in UTC; `null` where the partitions are keys. */
  readonly endOf: (partition: RunPartition) => Date | null;
}

/** The partitions of a run cannot be replaced by one condition without emptying others. */
export class UnevenPartitionsError extends ProjectError {
  readonly code = "uneven_partitions";
  readonly retryable = false;
}

/** One dimension of a plan: its condition on the rows, and the bucket, or the buckets, that a partition has by it. */
interface Dimension {
  readonly condition: PartitionCondition;
  readonly bucketing: Bucketing;
  /** How many stretches of time, or values, the run has. */
  readonly count: number;
  readonly bucketsOf: (partition: RunPartition) => Iterable<string>;
  readonly endOf: (partition: RunPartition) => Date | null;
}

/**
 * Plans a run of partitions. A column of days has no time of day, so a partition's window counts there as the days on
 * the clock of its time zone.
 *
 * @param target Has the columns by which the asset is partitioned.
 * @throws UnevenPartitionsError when one condition would empty partitions that the run does not compute
 */
export function planPartitions(
  definition: Partitions,
  target: Pick<Target, "columns">,
  partitions: readonly RunPartition[],
): PartitionPlan {
  const [time, keys] = [timeOf(definition), keysOf(definition)];
  const byTime = time && planTime(time, target, partitions);
  const byKey = keys && planKeys(keys.column, partitions);
  if (byTime === undefined || byKey === undefined) {
    const only = byTime ?? byKey;
    if (only === undefined) throw new TypeError("the partitions have neither a time nor keys");
    const { condition, bucketing, bucketsOf, endOf } = only;
    return { partitions, set: condition, buckets: bucketing, bucketsOf, endOf };
  }
  if (byTime.count * byKey.count !== new Set(partitions.map(({ key }) => key)).size)
    throw new UnevenPartitionsError(
      `the run has ${partitions.length} partitions, which are not all its ${byTime.count} times with all its ` +
        `${byKey.count} keys: launch a run for each rectangle of them, or declare each: { concurrency: … }`,
    );
  return {
    partitions,
    set: { kind: "both", conditions: [byTime.condition, byKey.condition] },
    buckets: { kind: "both", bucketings: [byTime.bucketing, byKey.bucketing] },
    *bucketsOf(partition) {
      for (const one of byTime.bucketsOf(partition))
        for (const other of byKey.bucketsOf(partition)) yield `${one}|${other}`;
    },
    endOf: byTime.endOf,
  };
}

function planKeys(column: string, partitions: readonly RunPartition[]): Dimension {
  const valueOf = ({ key, value }: RunPartition): string => {
    if (value === null) throw new TypeError(`the partition ${key} has no value`);
    return value;
  };
  const keys = [...new Set(partitions.map(valueOf))];
  return {
    condition: { kind: "keys", column, keys },
    bucketing: { kind: "value", column },
    count: keys.length,
    bucketsOf: (partition) => [valueOf(partition)],
    endOf: () => null,
  };
}

function planTime(
  definition: TimePartitions,
  target: Pick<Target, "columns">,
  partitions: readonly RunPartition[],
): Dimension {
  const { column } = definition;
  const seconds = (instant: Date): number => Math.floor(columnTime(definition, target, instant) / 1000);
  // By the instant at which it begins: with two dimensions, each stretch is there once for each key.
  const stretches = new Map<number, { readonly start: number; readonly end: number }>();
  for (const { key, window } of partitions) {
    if (window === null) throw new TypeError(`the partition ${key} has no window`);
    const at = window.start.getTime();
    if (!stretches.has(at)) stretches.set(at, { start: seconds(window.start), end: seconds(window.end) });
  }
  const stretchOf = ({ window }: RunPartition): { readonly start: number; readonly end: number } | undefined =>
    window === null ? undefined : stretches.get(window.start.getTime());
  const starts = [...stretches.values()].map(({ start }) => start);
  const ends = [...stretches.values()].map(({ end }) => end);
  const [origin, end] = [Math.min(...starts), Math.max(...ends)];
  // The longest stretch of which every partition is a whole number: an hour where clocks change, a day where they do not.
  const covered = [...stretches.values()].reduce((all, span) => all + span.end - span.start, 0);
  // The window is replaced as a whole: it would empty the partitions in a gap.
  if (covered !== end - origin)
    throw new UnevenPartitionsError(
      "the partitions of the run have gaps between them, or overlap: launch a run for each stretch of them",
    );
  const width = [...starts, ...ends].reduce((all, bound) => commonDivisor(all, bound - origin), 0);
  return {
    condition: { kind: "window", column, start: new Date(origin * 1000), end: new Date(end * 1000) },
    bucketing: { kind: "time", column, origin: new Date(origin * 1000), seconds: width },
    count: stretches.size,
    endOf(partition) {
      const stretch = stretchOf(partition);
      return stretch === undefined ? null : new Date(stretch.end * 1000);
    },
    *bucketsOf(partition) {
      const stretch = stretchOf(partition);
      if (stretch === undefined) return;
      for (let at = stretch.start; at < stretch.end; at += width) yield String((at - origin) / width);
    },
  };
}

/**
 * Row counts, data versions and verdicts of each partition.
 *
 * @param facts `null` when nothing is published.
 */
export function reportPartitions(
  plan: PartitionPlan,
  facts: StagedFacts | null,
  outcomes: readonly CheckOutcome[],
  against: Against,
): PartitionReport[] {
  return plan.partitions.map((partition) => {
    const buckets = [...plan.bucketsOf(partition)];
    const parts = buckets.flatMap((bucket): BucketFacts[] => {
      const part = facts?.buckets?.get(bucket);
      return part === undefined ? [] : [part];
    });
    return {
      key: partition.key,
      rowCount: facts === null ? null : Number(parts.reduce((count, part) => count + part.rowCount, 0n)),
      dataVersion: facts === null ? null : facts.hashOf(parts),
      checks: outcomes.map((outcome) => reported(outcome, verdict(outcome, plan, partition, against))),
    };
  });
}

/** What checks compare with, beside the rows. */
type Against = Pick<CheckContext, "now" | "history">;

/** Partitions named in a verdict. */
const SHOWN_PARTITIONS = 3;

/**
 * The outcomes with what is about all rows together, and shares of them, held against each partition by itself: what a
 * partition must hold does not depend on how many of them a run computes.
 */
export function judgePartitions(
  plan: PartitionPlan,
  outcomes: readonly CheckOutcome[],
  against: Against,
): CheckOutcome[] {
  return outcomes.map((outcome) => {
    const { check, buckets } = outcome;
    if (buckets === null || !(isAboutTable(check) || check.maxShare > 0)) return outcome;
    const wrong = plan.partitions.flatMap((partition) => {
      const found = verdict(outcome, plan, partition, against);
      return found === null || found.passed
        ? []
        : [`${partition.key}: ${found.measured ?? `${found.failedRows} rows`}`];
    });
    const shown = wrong.slice(0, SHOWN_PARTITIONS);
    const measured = wrong.length === 0 ? outcome.measured : shown.join("; ");
    if (!isAboutTable(check)) return { ...outcome, passed: outcome.passed && wrong.length === 0, measured };
    return { ...outcome, passed: wrong.length === 0, failedRows: BigInt(wrong.length), measured };
  });
}

interface PartitionFound extends Verdict {
  readonly checkedRows: bigint;
}

/** `null` where a check cannot tell which partition a row is of. */
function verdict(
  { check, buckets: counts }: CheckOutcome,
  plan: PartitionPlan,
  partition: RunPartition,
  { now, history }: Against,
): PartitionFound | null {
  if (counts === null) return null;
  let [failedRows, checkedRows] = [0n, 0n];
  let newest: number | null = null;
  for (const bucket of plan.bucketsOf(partition)) {
    const part = counts.get(bucket);
    if (part === undefined) continue;
    failedRows += part.failedRows;
    checkedRows += part.checkedRows;
    if (part.newest !== null) newest = Math.max(newest ?? part.newest, part.newest);
  }
  const end = plan.endOf(partition);
  // A partition that is over is as fresh as it was at its end.
  const asOf = end === null || end > now ? now : end;
  return { ...judge(check, { failedRows, checkedRows, newest }, { asOf, history }), checkedRows };
}

function reported({ check, passed }: CheckOutcome, found: PartitionFound | null): PartitionVerdict {
  if (found === null) return { name: check.name, passed, failedRows: null, checkedRows: null };
  return {
    name: check.name,
    passed: found.passed,
    failedRows: Number(found.failedRows),
    checkedRows: Number(found.checkedRows),
  };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
