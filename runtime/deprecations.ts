import type { Fault } from "../definitions/fault.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** Deprecated assets whose successor is not there, or that would leave the readers of Superset behind. */
export function deprecationFaults(resolved: readonly ResolvedAsset[], earlier: readonly Fault[]): Fault[] {
  const byKey = new Map(resolved.map((asset) => [asset.key, asset]));
  // An asset of a file that could not be loaded exists: its own fault says what is wrong.
  const known = new Set(earlier.map(({ asset }) => asset));
  return resolved.flatMap(({ key, defined: { options, position } }): Fault[] => {
    if (options.deprecated === undefined) return [];
    const { replacedBy } = options.deprecated;
    const found = byKey.get(replacedBy);
    let fault: string | undefined;
    if (replacedBy === key) fault = "is the asset itself";
    else if (found === undefined && !known.has(replacedBy)) fault = "is defined by no file under assets/";
    else if (options.superset !== undefined && found !== undefined && found.defined.options.superset === undefined)
      fault = "is not shown in Superset, as this asset is: give it superset: { … }, too";
    if (fault === undefined) return [];
    const message = `deprecated: replacedBy ${JSON.stringify(replacedBy)} ${fault}`;
    return [{ code: "bad_option", asset: key, position, message }];
  });
}
