import type { TableRef } from "./sql.ts";

/** How the rows of an asset are cut into partitions, and by which column. */
export type Partitions<N extends string = string> =
  TimePartitions<N> | KeyPartitions<N> | TwoDimensionalPartitions<N, N>;

/** Values of a column. */
export type KeyPartitions<N extends string = string> = StaticPartitions<N> | DynamicPartitions<N>;

/** Equal stretches of time. */
export interface TimePartitions<out N extends string = string> {
  readonly kind: "hourly" | "daily" | "weekly" | "monthly";
  readonly column: N;
  /** First partition, `YYYY-MM-DD` (hourly: `YYYY-MM-DD-HH:MM`). */
  readonly start: string;
  /** End of the last partition, not included; `null`: the present. */
  readonly end: string | null;
  /** IANA name of the zone whose days these are. */
  readonly timezone: string;
}

/** A fixed list of values. */
export interface StaticPartitions<out N extends string = string> {
  readonly kind: "static";
  readonly column: N;
  readonly keys: readonly string[];
}

/** A list of values that grows at run time. */
export interface DynamicPartitions<out N extends string = string> {
  readonly kind: "dynamic";
  readonly column: N;
  /** Dagster's name of the list. */
  readonly name: string;
}

/** One partition for each stretch of time and each value: `2017-01-01|berlin`. */
export interface TwoDimensionalPartitions<out T extends string = string, out K extends string = string> {
  readonly kind: "two_dimensional";
  readonly time: TimePartitions<T>;
  readonly keys: KeyPartitions<K>;
}

/** @default end: the present; timezone: "UTC" */
export interface TimeOptions {
  readonly start: string;
  readonly end?: string;
  readonly timezone?: string;
}

/** One partition an hour of a timestamp column. */
export function hourly<const N extends string>(column: N, options: TimeOptions): TimePartitions<N> {
  return time("hourly", column, options);
}

/** One partition a day of a timestamp column. */
export function daily<const N extends string>(column: N, options: TimeOptions): TimePartitions<N> {
  return time("daily", column, options);
}

/** One partition a week (from Sunday) of a timestamp column. */
export function weekly<const N extends string>(column: N, options: TimeOptions): TimePartitions<N> {
  return time("weekly", column, options);
}

/** One partition a month of a timestamp column. */
export function monthly<const N extends string>(column: N, options: TimeOptions): TimePartitions<N> {
  return time("monthly", column, options);
}

/** One partition for each of these values of a string column. */
export function staticKeys<const N extends string>(column: N, keys: readonly string[]): StaticPartitions<N> {
  return { kind: "static", column, keys };
}

/** One partition for each value that is added to Dagster's list `name` at run time. */
export function dynamicKeys<const N extends string>(column: N, name: string): DynamicPartitions<N> {
  return { kind: "dynamic", column, name };
}

/**
 * One partition for each stretch of time and each value. Its key is both of theirs: `2017-01-01|berlin`.
 *
 * @param time Such as `daily(…)`.
 * @param keys `staticKeys(…)` or `dynamicKeys(…)`, of another column. Without `|`, `,`, `[` and `]` in them.
 */
export function twoDimensional<const T extends string, const K extends string>(
  time: TimePartitions<T>,
  keys: KeyPartitions<K>,
): TwoDimensionalPartitions<T, K> {
  return { kind: "two_dimensional", time, keys };
}

/** The time of partitions; `undefined`: they have none. */
export function timeOf(partitions: Partitions): TimePartitions | undefined {
  if (partitions.kind === "two_dimensional") return partitions.time;
  return "start" in partitions ? partitions : undefined;
}

/** The values by which partitions are cut; `undefined`: by time only. */
export function keysOf(partitions: Partitions): KeyPartitions | undefined {
  if (partitions.kind === "two_dimensional") return partitions.keys;
  return "start" in partitions ? undefined : partitions;
}

/** The partitions themselves, without the columns that they cut: two assets may call them differently. */
export function groundOf(partitions: Partitions): string {
  return JSON.stringify(partitions, (name, value: unknown) => (name === "column" ? undefined : value));
}

/** Which partitions of an asset another one reads, where it is not those of the same keys, or of the same time. */
export type PartitionMapping =
  | { readonly kind: "all" | "last"; readonly assetKey: string }
  | { readonly kind: "offset"; readonly assetKey: string; readonly start: number; readonly end: number }
  | { readonly kind: "keys"; readonly assetKey: string; readonly keys: readonly string[] };

/** Each partition reads all partitions of the asset. */
export function allOf({ assetKey }: TableRef): PartitionMapping {
  return { kind: "all", assetKey };
}

/** Each partition reads the last partition of the asset. */
export function lastOf({ assetKey }: TableRef): PartitionMapping {
  return { kind: "last", assetKey };
}

/**
 * Each partition reads the asset's partitions of the same time, and some before or after it.
 *
 * @param offset.start Moves the first of them, in partitions: -1 is one more before. Default: 0.
 * @param offset.end Moves the last of them. Default: 0.
 */
export function offsetOf(
  { assetKey }: TableRef,
  offset: { readonly start?: number; readonly end?: number },
): PartitionMapping {
  return { kind: "offset", assetKey, start: offset.start ?? 0, end: offset.end ?? 0 };
}

/** Each partition reads these partitions of the asset. */
export function someOf({ assetKey }: TableRef, keys: readonly string[]): PartitionMapping {
  return { kind: "keys", assetKey, keys };
}

function time<const N extends string>(
  kind: TimePartitions["kind"],
  column: N,
  options: TimeOptions,
): TimePartitions<N> {
  return { kind, column, start: options.start, end: options.end ?? null, timezone: options.timezone ?? "UTC" };
}
