/** A length of time: a whole number and its unit, such as `"90s"`, `"15m"`, `"25h"` or `"7d"`. */
export type Duration = `${number}${"s" | "m" | "h" | "d"}`;

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** The duration in seconds, or `undefined` when it is not a whole positive number with a unit. */
export function tryGetSeconds(duration: string): number | undefined {
  const found = /^(\d+)([smhd])$/.exec(duration);
  const unit = found?.[2] as keyof typeof SECONDS | undefined;
  const seconds = unit === undefined ? 0 : Number(found?.[1]) * SECONDS[unit];
  return seconds > 0 ? seconds : undefined;
}
