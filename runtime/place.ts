import type { DefinedAsset } from "../definitions/asset.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { chooseStore, DEFAULT_STORE } from "../resources/stores.ts";

/** The table of an asset, and the store that it lives in. */
export function placeOf({ key, options, columns }: DefinedAsset): {
  readonly target: Target;
  readonly store: StoreKind;
  readonly storeFault: string | null;
} {
  const [schema = "", table = ""] = key.split("/");
  const chosen = chooseStore(options.store, schema, process.env);
  const { description, storage = {} } = options;
  return {
    target: {
      assetKey: key,
      schema,
      table,
      description,
      columns,
      key: options.key ?? [],
      storage,
      strategy: { kind: "replace" },
    },
    store: typeof chosen === "string" ? DEFAULT_STORE : chosen,
    storeFault: typeof chosen === "string" ? chosen : null,
  };
}
