const CURRENCY_BEFORE = /^(?:\p{Sc}|[A-Z]{3}(?=[\s\d(+-]))\s*/u;
const CURRENCY_AFTER = /\s*(?:\p{Sc}|[A-Z]{3})$/u;
/** What groups thousands, beside the one of point and comma that is not the decimal separator. */
const SPACES = /[\s'’_]/gu;

/**
 * A number as people write it: with signs of currencies, grouped thousands, a percent sign, parentheses or a minus at the
 * end for less than nothing, or an exponent.
 *
 * @returns decimal digits with a point, exact; `undefined`: it is no number, or its groups are not of three digits
 */
export function parseNumber(written: string, decimal: "." | ","): string | undefined {
  let text = written.trim().replaceAll(/[\u2212\u2012\u2013]/g, "-");
  let isNegative = false;
  const strip = (pattern: RegExp): boolean => {
    const rest = text.replace(pattern, "");
    const found = rest !== text;
    text = rest.trim();
    return found;
  };
  strip(CURRENCY_BEFORE);
  strip(CURRENCY_AFTER);
  if (/^\(.*\)$/.test(text)) {
    isNegative = true;
    text = text.slice(1, -1).trim();
    if (/^[+-]/.test(text)) return undefined;
  } else if (/^-/.test(text) || /\d\s*-$/.test(text)) {
    isNegative = true;
    text = text.replace(/^-|-$/, "").trim();
  } else if (text.startsWith("+")) text = text.slice(1).trim();
  strip(CURRENCY_BEFORE);
  strip(CURRENCY_AFTER);
  const isPercent = strip(/%$/);
  const parsed = digitsOf(text, decimal);
  if (parsed === undefined) return undefined;
  const shifted = isPercent ? movePoint(parsed, -2) : parsed;
  return isNegative ? `-${shifted}` : shifted;
}

function digitsOf(text: string, decimal: "." | ","): string | undefined {
  const scientific = /^(\d+)(?:[.,](\d+))?[eE]([+-]?\d{1,3})$/.exec(text);
  if (scientific !== null && (scientific[2] === undefined || text.includes(decimal)))
    return movePoint(`${scientific[1] ?? ""}.${scientific[2] ?? ""}`, Number(scientific[3]));
  const [whole = "", fraction, ...more] = text.split(decimal);
  if (more.length > 0 || (fraction !== undefined && !/^\d*$/.test(fraction))) return undefined;
  const grouped = whole.replace(SPACES, decimal === "." ? "," : ".");
  const separator = decimal === "." ? "," : ".";
  const groups = grouped.split(separator);
  const isGrouped =
    groups.length > 1 && /^\d{1,3}$/.test(groups[0] ?? "") && groups.slice(1).every((group) => /^\d{3}$/.test(group));
  if (groups.length > 1 ? !isGrouped : !/^\d*$/.test(whole)) return undefined;
  const digits = groups.join("");
  if (digits === "" && (fraction ?? "") === "") return undefined;
  return fraction === undefined || fraction === "" ? digits : `${digits === "" ? "0" : digits}.${fraction}`;
}

/** Moves the decimal point, without arithmetic that would round. */
function movePoint(digits: string, by: number): string {
  const [whole = "", fraction = ""] = digits.split(".");
  const point = whole.length + by;
  const all = whole + fraction;
  if (point <= 0) return `0.${"0".repeat(-point)}${all}`;
  if (point >= all.length) return all + "0".repeat(point - all.length);
  return `${all.slice(0, point)}.${all.slice(point)}`;
}
