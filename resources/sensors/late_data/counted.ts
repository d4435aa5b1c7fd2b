import { z } from "zod";
import type { Arrivals } from "../../../definitions/tick.ts";
import type { Period } from "../../../definitions/time_periods.ts";

/** Rows of one stretch of time, or of none. Seconds since 1970. */
export interface Stretch {
  /** `null`: rows without a time. */
  readonly start: number | null;
  readonly end: number;
  readonly rowCount: number;
  readonly keptCount: number;
  /** When the newest of them arrived, as ISO text. */
  readonly latest: string;
}

/** Start, end, number of rows and newest arrival of stretches, as they were seen last. */
export const countedSchema = z.array(z.tuple([z.int().nullable(), z.int(), z.int(), z.string()]));
type Counted = z.output<typeof countedSchema>;

/** Stretches that a cursor tells apart; with more, neighbours are counted together. */
const MAX_COUNTED = 1_000;

/** What the store has counted, the earliest first. */
export function stretchesOf({ groups }: Arrivals, seconds: number): Stretch[] {
  const all = groups.map(({ start, ...rest }) => ({ ...rest, start, end: (start ?? 0) + seconds }));
  return all.sort((a, b) => (a.start ?? -Infinity) - (b.start ?? -Infinity));
}

/** The stretches with other rows than were seen before. */
export function changedStretches(found: readonly Stretch[], before: Counted): Stretch[] {
  const unseen = new Set(found);
  const changed: Stretch[] = [];
  let next = 0;
  for (const [start, end, rowCount, latest] of before) {
    const own: Stretch[] = [];
    for (; next < found.length; next += 1) {
      const one = found[next];
      if (one === undefined || (start === null ? one.start !== null : (one.start ?? -Infinity) >= end)) break;
      if (start !== null && (one.start ?? -Infinity) < start) continue;
      own.push(one);
      unseen.delete(one);
    }
    const now = together(own);
    if (now.rowCount === rowCount && now.latest === latest) continue;
    // Rows that are gone have changed their stretch too.
    changed.push(...(own.length === 0 ? [{ start, end, rowCount: 0, keptCount: 0, latest }] : own));
  }
  return [...changed, ...unseen];
}

/** The rows that the next tick counts again. */
export function remembered(found: readonly Stretch[], periodAt: (second: number) => Period): Counted {
  const counted: Counted = [];
  for (const { start, keptCount, latest } of found) {
    if (keptCount === 0) continue;
    const period = start === null ? null : periodAt(start);
    const own = [period === null ? null : period.start / 1000, period === null ? 0 : period.end / 1000] as const;
    join(counted, [...own, keptCount, latest], own[0] === counted.at(-1)?.[0]);
  }
  const size = Math.ceil(counted.length / MAX_COUNTED);
  if (size <= 1) return counted;
  const joined: Counted = [];
  for (const [index, one] of counted.entries()) join(joined, one, index % size !== 0 && joined.at(-1)?.[0] !== null);
  return joined;
}

function join(counted: Counted, one: Counted[number], isSame: boolean): void {
  const last = counted.at(-1);
  if (!isSame || last === undefined) {
    counted.push(one);
    return;
  }
  const [start, , rowCount, latest] = last;
  counted[counted.length - 1] = [start, one[1], rowCount + one[2], latest > one[3] ? latest : one[3]];
}

function together(found: readonly Stretch[]): { readonly rowCount: number; readonly latest: string } {
  return {
    rowCount: found.reduce((all, { rowCount }) => all + rowCount, 0),
    latest: found.reduce((all, { latest }) => (latest > all ? latest : all), ""),
  };
}
