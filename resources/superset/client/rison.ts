/** A value that Superset's query parameter `q` can hold. */
export type RisonValue =
  string | number | boolean | null | readonly RisonValue[] | { readonly [key: string]: RisonValue | undefined };

/**
 * Writes a value in Rison, the notation of Superset's parameter `q`. Strings are always quoted, so that none is taken for
 * a number or a constant; keys without a value are left out.
 *
 * @see https://github.com/Nanonid/rison
 */
export function toRison(value: RisonValue): string {
  if (value === null) return "!n";
  if (typeof value === "boolean") return value ? "!t" : "!f";
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return quote(value);
  if (isList(value)) return `!(${value.map(toRison).join(",")})`;
  const entries = Object.entries(value).filter((entry): entry is [string, RisonValue] => entry[1] !== undefined);
  return `(${entries.map(([key, item]) => `${quote(key)}:${toRison(item)}`).join(",")})`;
}

const isList = (value: object): value is readonly RisonValue[] => Array.isArray(value);

const quote = (text: string): string => `'${text.replaceAll(/[!']/g, "!$&")}'`;

function number(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`Rison has no ${value}`);
  // A plus in the exponent would be read as a space.
  return String(value).replace("+", "");
}
