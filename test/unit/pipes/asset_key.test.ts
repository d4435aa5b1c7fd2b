import { expect, it } from "vitest";

import { escapeAssetKey, parseAssetKey } from "../../../pipes/index.ts";

it.each([
  [["a"], "a"],
  [["shop", "orders"], "shop/orders"],
  [["a", "b/c"], "a/b\\/c"],
  [["a\\", "b"], "a\\\\/b"],
])("the parts %j are written %s and read back", (parts, text) => {
  expect(escapeAssetKey(parts)).toBe(text);
  expect(parseAssetKey(text)).toEqual(parts);
});
