import type { Check } from "../definitions/check.ts";
import { tryGetSeconds } from "../definitions/duration.ts";
import type { BucketCounts, EarlierPublish } from "./store.ts";

/** By how much the difference of two shares may be wrong. */
const ROUNDING = 1e-12;

/** What a check found is held against. */
export interface Against {
  /** The time at which values count as recent. */
  readonly asOf: Date;
  readonly history: readonly EarlierPublish[];
}

/** Whether a check passes. */
export interface Verdict {
  readonly passed: boolean;
  /** Rows that break the rule; of a rule about all rows together 0 or 1. */
  readonly failedRows: bigint;
  /** What was found, and what it was held against, for people; `null` where the counts say it all. */
  readonly measured: string | null;
}

/** The verdict of a check on the rows that were counted: all of them, or those of a partition. */
export function judge({ rule, columns, maxShare }: Check, counts: BucketCounts, { asOf, history }: Against): Verdict {
  const { failedRows, checkedRows, newest } = counts;
  const verdict = (passed: boolean, measured: string): Verdict => ({ passed, failedRows: passed ? 0n : 1n, measured });
  switch (rule.kind) {
    case "row_count": {
      const { min, max } = rule;
      const passed = (min === null || checkedRows >= BigInt(min)) && (max === null || checkedRows <= BigInt(max));
      return verdict(passed, `${checkedRows} rows`);
    }
    case "row_count_drift": {
      const earlier = history.slice(0, rule.last).map(({ rowCount }) => rowCount);
      const usual = median(earlier);
      if (usual === undefined) return verdict(true, `${checkedRows} rows; no earlier publish to compare with`);
      const apart = Math.abs(Number(checkedRows) - usual);
      return verdict(
        usual === 0 ? apart === 0 : apart / usual <= rule.max,
        `${checkedRows} rows; median of ${earlier.length}: ${round(usual)}`,
      );
    }
    case "null_rate_drift": {
      if (checkedRows === 0n) return verdict(true, "no rows");
      const share = Number(failedRows) / Number(checkedRows);
      const [column = ""] = columns;
      const earlier = history.slice(0, rule.last).flatMap(({ nullShares }) => nullShares.get(column) ?? []);
      const usual = median(earlier);
      if (usual === undefined) return verdict(true, `${percent(share)} NULL; no earlier publish to compare with`);
      const measured = `${percent(share)} NULL; median of ${earlier.length}: ${percent(usual)}`;
      // 0.4 less 0.35 is more than 0.05, in doubles.
      return verdict(Math.abs(share - usual) <= rule.max + ROUNDING, measured);
    }
    case "recent": {
      if (newest === null) return verdict(false, "no value that is not in the future");
      const seconds = asOf.getTime() / 1000 - newest;
      const measured = `${instant(newest)}, ${(seconds / 3_600).toFixed(1)} h before ${asOf.toISOString()}`;
      return verdict(seconds <= (tryGetSeconds(rule.maxAge) ?? 0), measured);
    }
    case "same_sum":
    case "not_null":
    case "unique":
    case "between":
    case "length":
    case "accepted_values":
    case "matches":
    case "references":
    case "sql":
    case "typescript":
      // Divided, not multiplied: 29 of 100 are 0.29, but 0.29 of 100 are less than 29.
      return {
        passed: failedRows === 0n || Number(failedRows) / Number(checkedRows) <= maxShare,
        failedRows,
        measured: null,
      };
  }
}

/** Where a check begins to fail, for people. */
export function thresholdOf({ rule, maxShare, description }: Check): string {
  switch (rule.kind) {
    case "row_count":
    case "row_count_drift":
    case "null_rate_drift":
    case "recent":
      return description;
    case "same_sum":
      return `apart by more than ${rule.tolerance}`;
    default:
      return maxShare === 0 ? "any row" : `more than ${percent(maxShare)} of the rows`;
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

function percent(share: number): string {
  return `${round(share * 100)} %`;
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function instant(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? `${seconds} s since 1970` : at.toISOString();
}

/** Whether two sums, as the store writes them, are apart by more than a tolerance; exact, also for decimals of 38 digits. */
export function areApart(here: string | null, there: string | null, tolerance: number | string): boolean {
  const [a, b, limit] = [here ?? "0", there ?? "0", String(tolerance)].map(toDecimal);
  // NaN and infinity are the same as nothing.
  if (a === undefined || b === undefined || limit === undefined) return true;
  const scale = Math.max(a.scale, b.scale, limit.scale);
  const [x, y, most] = [a, b, limit].map((one) => one.digits * 10n ** BigInt(scale - one.scale));
  const apart = (x ?? 0n) - (y ?? 0n);
  return (apart < 0n ? -apart : apart) > (most ?? 0n);
}

function toDecimal(text: string): { readonly digits: bigint; readonly scale: number } | undefined {
  const [, sign = "", whole, fraction = "", exponent = "0"] =
    /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(`${whole}${fraction}`) * (sign === "-" ? -1n : 1n);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}
