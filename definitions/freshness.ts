import type { Duration } from "./duration.ts";

/** How old an asset may get before Dagster shows it as stale. */
export type Freshness =
  | { readonly kind: "time_window"; readonly fail: Duration; readonly warn: Duration | null }
  | { readonly kind: "cron"; readonly deadlineCron: string; readonly timezone: string; readonly lowerBound: Duration };

/** Materialised within the last `fail`; earlier than `options.warn` ago shows a warning. */
export function within(fail: Duration, options: { readonly warn?: Duration } = {}): Freshness {
  return { kind: "time_window", fail, warn: options.warn ?? null };
}

/**
 * Materialised in the `lowerBound` before each tick of a cron schedule: `by("0 6 * * *", { lowerBound: "6h" })` means
 * every day between 00:00 and 06:00.
 *
 * @param options.timezone An IANA name. @default "UTC"
 */
export function by(
  deadlineCron: string,
  options: { readonly lowerBound: Duration; readonly timezone?: string },
): Freshness {
  return { kind: "cron", deadlineCron, timezone: options.timezone ?? "UTC", lowerBound: options.lowerBound };
}
