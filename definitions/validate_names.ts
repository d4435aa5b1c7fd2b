import type { Add } from "./validate.ts";

/**
 * Reports what is called like no option: the types say so too, but nothing is compiled before it runs, and an option with a
 * slip in its name would do nothing without a word.
 *
 * @param where Such as `"storage.postgres"`; empty for the asset itself.
 * @returns whether it is of the form of options at all
 */
export function requireOptions(
  where: string,
  value: unknown,
  names: Readonly<Record<string, true>>,
  add: Add,
): boolean {
  const of = where === "" ? "" : `${where}: `;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    add("bad_option", `${of}expected options, ${Object.keys(names).join(", ")}; got ${JSON.stringify(value)}`);
    return false;
  }
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(names, name))
      add("bad_option", `${of}no option is called ${JSON.stringify(name)}; expected ${Object.keys(names).join(", ")}`);
  }
  return true;
}
