const DAY = /^\d{4}-\d{2}-\d{2}$/;
const CRON_NAME = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;
/** Lowest and highest number of each field, and the names that may stand for numbers. */
const CRON_FIELDS: readonly { readonly min: number; readonly max: number; readonly names: string }[] = [
  { min: 0, max: 59, names: "" },
  { min: 0, max: 23, names: "" },
  { min: 1, max: 31, names: "L" },
  { min: 1, max: 12, names: "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC" },
  { min: 0, max: 7, names: "SUN MON TUE WED THU FRI SAT" },
];

/** Whether `YYYY-MM-DD` is in the calendar; `Date` alone takes the 30th of February for the 2nd of March. */
export function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  return DAY.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/** Whether it is a cron schedule of five fields, or a name such as `@daily`. */
export function isCron(text: string): boolean {
  if (CRON_NAME.test(text)) return true;
  const fields = text.trim().split(/\s+/);
  return (
    fields.length === CRON_FIELDS.length &&
    CRON_FIELDS.every((limits, index) => (fields[index] ?? "").split(",").every((item) => isCronItem(item, limits)))
  );
}

function isCronItem(item: string, { min, max, names }: (typeof CRON_FIELDS)[number]): boolean {
  const [, range = "", step] = /^([^/]+)(?:\/(\d+))?$/.exec(item) ?? [];
  if (step !== undefined && Number(step) === 0) return false;
  const isNumber = (text: string): boolean =>
    (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max) || isName(text);
  const isName = (text: string): boolean => text !== "" && names.split(" ").includes(text.toUpperCase());
  const ends = range.split("-");
  return range === "*" || (ends.length <= 2 && ends.every(isNumber));
}

/** Whether it is an IANA name, such as `Europe/Berlin`. */
export function isTimezone(text: string): boolean {
  // To load what Intl knows of clocks takes a tenth of a tick.
  if (text === "UTC") return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
