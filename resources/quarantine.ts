import type { Target } from "./store.ts";

/**
 * Whose quarantined rows those of a run take the place of. Of a table to which runs add, nobody reads the rows of earlier
 * runs again: what they quarantined is kept. Elsewhere a run reads all of its rows anew, and the bad ones among them.
 */
export function replacedRows({ strategy }: Pick<Target, "strategy">): "of the run" | "of the asset" {
  return strategy.kind === "append" || strategy.kind === "merge" ? "of the run" : "of the asset";
}
