const MS_PER_DAY = 86_400_000;
const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;
const MS_PER_SECOND = 1000;
/** More days than this are forgotten again: they repeat in most loads, but not in all. */
const MAX_DAYS = 4_096;

const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));
const days = new Map<number, string>();

/**
 * `Date.prototype.toISOString` in a third of its time, for rows by the million: the calendar is asked once for each day.
 *
 * @throws RangeError for an invalid date
 */
export function isoText(value: Date): string {
  const ms = value.getTime();
  const day = Math.floor(ms / MS_PER_DAY);
  const rest = ms - day * MS_PER_DAY;
  const hour = Math.trunc(rest / MS_PER_HOUR);
  const minute = Math.trunc(rest / MS_PER_MINUTE) % 60;
  const second = Math.trunc(rest / MS_PER_SECOND) % 60;
  const fraction = rest % MS_PER_SECOND;
  const digits = `${TWO_DIGITS[Math.trunc(fraction / 10)] ?? ""}${fraction % 10}`;
  return `${dayText(day)}T${TWO_DIGITS[hour] ?? ""}:${TWO_DIGITS[minute] ?? ""}:${TWO_DIGITS[second] ?? ""}.${digits}Z`;
}

function dayText(day: number): string {
  const known = days.get(day);
  if (known !== undefined) return known;
  const iso = new Date(day * MS_PER_DAY).toISOString();
  const text = iso.slice(0, iso.indexOf("T"));
  if (days.size >= MAX_DAYS) days.clear();
  days.set(day, text);
  return text;
}
