import { PipesArgumentError, describeValue } from "./errors.ts";

/** An asset key as the protocol's escaped text (`"shop/orders"`) or as its parts (`["shop", "orders"]`). */
export type AssetKeyInput = string | readonly string[];

/** Joins parts the way Dagster does: `["a", "b/c"]` becomes `a/b\/c`. */
export function escapeAssetKey(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll("\\", "\\\\").replaceAll("/", "\\/")).join("/");
}

/** Splits an escaped asset key into its parts: `a/b\/c` becomes `["a", "b/c"]`. */
export function parseAssetKey(key: string): string[] {
  const parts: string[] = [""];
  for (let index = 0; index < key.length; index += 1) {
    const character = key.charAt(index);
    if (character === "/") {
      parts.push("");
    } else {
      const taken = character === "\\" ? key.charAt((index += 1)) : character;
      parts.push((parts.pop() ?? "") + taken);
    }
  }
  return parts;
}

/** Checks an asset key argument and returns its parts. */
export function assetKeyParts(value: unknown, method: string, parameter: string): string[] {
  const parts: unknown = typeof value === "string" ? parseAssetKey(value) : value;
  if (Array.isArray(parts) && parts.length > 0 && parts.every((part) => typeof part === "string" && part !== "")) {
    return parts as string[];
  }
  throw new PipesArgumentError({
    method,
    parameter,
    expected: "an asset key, as text or as an array of non-empty parts",
    got: describeValue(value),
  });
}
