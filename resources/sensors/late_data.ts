import { z } from "zod";
import type { Asset, NameOf, Shape } from "../../definitions/asset.ts";
import type { PostgresSource } from "../../definitions/body.ts";
import type { PlainDate } from "../../definitions/column.ts";
import { type Duration, tryGetSeconds } from "../../definitions/duration.ts";
import type { SensorContext, SensorLogic, SensorResult } from "../../definitions/sensor.ts";
import type { TableRef } from "../../definitions/sql.ts";
import { commonSeconds, dayStart, type Period, periodAt } from "../../definitions/time_periods.ts";
import type { TimePartitions } from "../../definitions/partitions.ts";
import { SensorOptionError } from "./errors.ts";
import { skipWhileLocked } from "./skip_while_locked.ts";
import { changedStretches, countedSchema, remembered, type Stretch, stretchesOf } from "./late_data/counted.ts";
import { followedAssets } from "./late_data/followed.ts";
import { instantOf } from "./late_data/instant.ts";
import { type Changed, OpenPartitions, openSchema } from "./late_data/open_partitions.ts";

/** Where {@link lateData} looks; `T` are columns with a time, `A` those with an instant. */
export interface LateDataOptions<S, T extends string, A extends string> {
  /** An asset, or `postgresTable("schema.table", { url })`: what the first of the sensor's assets read. */
  readonly source: S;
  /** The time that a row is about, by which it belongs to partitions. */
  readonly time: T;
  /** The time at which a row came, or was changed last. */
  readonly arrived: A;
  /**
   * Rows may become visible so much later than `arrived` says, as they do when a transaction takes long. @default "10m"
   */
  readonly lag?: Duration | undefined;
  /** Whether partitions that were never built are built when rows come, or left to a backfill. @default "leave" */
  readonly unbuilt?: "build" | "leave" | undefined;
}

/** Partitions that a message names. */
const SHOWN = 10;

const cursorSchema = z.strictObject({
  /** Since when the rows are counted below, by the clock that says `arrived`. */
  from: z.string(),
  counted: countedSchema,
  open: openSchema,
});

/** What {@link lateData} remembers: the rows that came last, and the partitions that they have changed. */
export type LateDataCursor = typeof cursorSchema;
type Remembered = z.output<typeof cursorSchema>;

/**
 * Asks for the partitions whose rows came after they were built, of each asset of the sensor, and then for those that read
 * them. Rows that were deleted it does not see.
 *
 * @example
 * ```ts
 * import { defineSensor } from "dagster-typescript";
 * import { lateData } from "dagster-typescript/sensors";
 * import { daily_sales } from "./daily_sales.ts";
 * import { monthly_sales } from "./monthly_sales.ts";
 * import { raw_events } from "./raw_events.ts";
 *
 * export const late_lines = defineSensor("retail/late_lines", {
 *   description: "Computes the days and months of late lines again.",
 *   assets: [daily_sales, monthly_sales],
 *   every: "5m",
 *   ...lateData({ source: raw_events, time: "sold_at", arrived: "recorded_at" }),
 * });
 * ```
 */
export function lateData<S extends Shape>(
  options: LateDataOptions<Asset<S>, NoInfer<NameOf<S, Date | PlainDate | null>>, NoInfer<NameOf<S, Date>>>,
): SensorLogic<LateDataCursor>;
export function lateData(options: LateDataOptions<PostgresSource, string, string>): SensorLogic<LateDataCursor>;
export function lateData(
  options: LateDataOptions<TableRef | PostgresSource, string, string>,
): SensorLogic<LateDataCursor> {
  return {
    cursor: cursorSchema,
    validate: (assets) => {
      lagMsOf(options);
      followedAssets(assets, options.source);
    },
    evaluate: skipWhileLocked((context: SensorContext<Remembered>) => look(options, context)),
  };
}

async function look(
  { source, time, arrived, lag, unbuilt = "leave" }: LateDataOptions<TableRef | PostgresSource, string, string>,
  context: SensorContext<Remembered>,
): Promise<SensorResult<Remembered>> {
  const { assets, arrivals, cursor, log, now } = context;
  const followed = followedAssets(assets, source);
  const lagMs = lagMsOf({ lag });
  const firsts = followed.flatMap(({ isFirst, partitions }) => (isFirst && partitions !== null ? [partitions] : []));
  const seconds = commonSeconds(firsts, now.getTime());
  const found = await arrivals(source, { time, arrived, seconds, from: cursor?.from ?? null, lagMs, notAfter: now });
  const place = "format" in source ? `${source.schema}.${source.table}` : source.assetKey;
  if (found === null) return { skip: `there is no table ${place} yet` };
  if (found.newest === null || found.keptFrom === null) return { skip: `there are no rows in ${place}` };
  if (found.wentBack)
    log.warning(
      `the newest ${arrived} went back to ${found.newest}: rows were deleted, or the table was made anew. All rows are ` +
        "held against the time at which their partitions were built",
    );
  if (found.newest > instantOf(now))
    log.warning(`the newest ${arrived}, ${found.newest}, is yet to come: the clock of a row is wrong`);

  const stretches = stretchesOf(found, seconds);
  const isFirstLook = cursor === null || found.wentBack;
  const changed = changedStretches(stretches, isFirstLook ? [] : cursor.counted);
  const open = new OpenPartitions(followed, cursor?.open ?? [], unbuilt, context);
  for (const one of followed) {
    if (!one.isFirst || one.partitions === null) continue;
    const changes = onClock(changed, one.partitions, found.isDay);
    if (isFirstLook) await open.addBuiltBefore(one, changes, found.readAt, lagMs);
    else open.add(one, changes, found.readAt);
  }
  if (!isFirstLook) {
    for (const { rowCount } of changed.filter(({ start }) => start === null))
      log.warning(`${rowCount} rows that came have no ${time}: they are of no partition`);
    if (open.outside.length > 0)
      log.warning(`rows came that are of no partition, since there is none of ${hullOf(open.outside)}`);
  }
  const asked = await open.settle(found.readAt);
  const next: Remembered = {
    from: found.keptFrom,
    counted: remembered(stretches, (at) => unitAt(firsts, at, found.isDay)),
    open: open.stored(),
  };
  if (asked.length === 0) {
    const rest = open.waiting === 0 ? "" : `; ${open.waiting} partitions wait for the runs that were asked for`;
    return { skip: `no rows in ${place} that a partition lacks${rest}`, cursor: next };
  }
  const runs = asked.map(({ asset, keys, runKey, isAgain }) => {
    const names = keys === null ? "" : `: ${keys.slice(0, SHOWN).join(", ")}${keys.length > SHOWN ? ", …" : ""}`;
    if (isAgain) log.warning(`${asset.assetKey} still has not the rows that came, as no run published them${names}`);
    else log.info(`${asset.assetKey} has not the rows that came${names}`);
    return { runKey, assets: [asset], ...(keys === null ? {} : { partitionKeys: keys }) };
  });
  return { runs, cursor: next };
}

function lagMsOf({ lag = "10m" }: { readonly lag?: Duration | undefined }): number {
  const seconds = tryGetSeconds(lag);
  if (seconds === undefined) throw new SensorOptionError(`lag: expected a duration such as "10m", got ${lag}`);
  return seconds * 1000;
}

/** The stretches that changed, on the clock of the partitions where rows have a day only. */
function onClock(changed: readonly Stretch[], partitions: TimePartitions, isDay: boolean): Changed[] {
  const instant = (second: number): number => (isDay ? dayStart(partitions, second * 1000) : second * 1000);
  return changed.flatMap(({ start, end, rowCount, latest }) =>
    start === null
      ? []
      : [{ start: instant(start), end: instant(end), latest, mark: JSON.stringify([rowCount, latest]) }],
  );
}

/** The smallest partition that a stretch lies in, in which rows are counted together. */
function unitAt(firsts: readonly TimePartitions[], second: number, isDay: boolean): Period {
  const units = firsts.map((one) => periodAt(isDay ? { ...one, timezone: "UTC" } : one, second * 1000));
  return units.reduce((least, unit) => (unit.end - unit.start < least.end - least.start ? unit : least));
}

function hullOf(stretches: readonly Changed[]): string {
  const from = stretches.reduce((least, { start }) => Math.min(least, start), Infinity);
  const to = stretches.reduce((greatest, { end }) => Math.max(greatest, end), -Infinity);
  return `${new Date(from).toISOString()} to ${new Date(to).toISOString()}`;
}
