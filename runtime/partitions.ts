import type { TimeWindow } from "../definitions/body.ts";
import { keysOf, type Partitions, timeOf, type TimePartitions } from "../definitions/partitions.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type {
  BucketFacts,
  Bucketing,
  Buckets,
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
    return { partitions, set: only.condition, buckets: only.bucketing, bucketsOf: only.bucketsOf };
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
  };
}

function planTime(
  { column, timezone }: TimePartitions,
  target: Pick<Target, "columns">,
  partitions: readonly RunPartition[],
): Dimension {
  const isDay = target.columns.some(({ name, type }) => name === column && type.kind === "date");
  const seconds = (instant: Date): number =>
    Math.floor((isDay ? midnight(instant, timezone) : instant.getTime()) / 1000);
  // By the instant at which it begins: with two dimensions, each stretch is there once for each key.
  const stretches = new Map<number, { readonly start: number; readonly end: number }>();
  for (const { key, window } of partitions) {
    if (window === null) throw new TypeError(`the partition ${key} has no window`);
    const at = window.start.getTime();
    if (!stretches.has(at)) stretches.set(at, { start: seconds(window.start), end: seconds(window.end) });
  }
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
    *bucketsOf({ window }) {
      const stretch = window === null ? undefined : stretches.get(window.start.getTime());
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
      checks: outcomes.map((outcome) => verdict(outcome, buckets)),
    };
  });
}

/**
 * The outcomes with the limits on the number of rows held against each partition by itself: what a partition must hold
 * does not depend on how many of them a run computes.
 */
export function judgePartitions(plan: PartitionPlan, outcomes: readonly CheckOutcome[]): CheckOutcome[] {
  return outcomes.map((outcome) => {
    if (outcome.check.rule.kind !== "row_count") return outcome;
    const wrong = plan.partitions.filter((partition) => !verdict(outcome, [...plan.bucketsOf(partition)]).passed);
    return { ...outcome, passed: wrong.length === 0, failedRows: BigInt(wrong.length) };
  });
}

function verdict({ check, passed, buckets: counts }: CheckOutcome, buckets: readonly string[]): PartitionVerdict {
  if (counts === null) return { name: check.name, passed, failedRows: null, checkedRows: null };
  let [failedRows, checkedRows] = [0n, 0n];
  for (const bucket of buckets) {
    failedRows += counts.get(bucket)?.failedRows ?? 0n;
    checkedRows += counts.get(bucket)?.checkedRows ?? 0n;
  }
  if (check.rule.kind === "row_count") {
    const { min, max } = check.rule;
    const holds = (min === null || checkedRows >= BigInt(min)) && (max === null || checkedRows <= BigInt(max));
    failedRows = holds ? 0n : 1n;
  }
  return {
    name: check.name,
    passed: failedRows === 0n,
    failedRows: Number(failedRows),
    checkedRows: Number(checkedRows),
  };
}

/** The midnight in UTC of the day that it is on a clock, in milliseconds since 1970. */
function midnight(instant: Date, timezone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
  }).formatToParts(instant);
  const part = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((one) => one.type === type)?.value ?? Number.NaN);
  return Date.UTC(part("year"), part("month") - 1, part("day"));
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
