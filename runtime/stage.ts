import type { BodyContext } from "../definitions/body.ts";
import type { Attempt, Staged, Target } from "../resources/store.ts";
import type { OpenStores } from "../resources/stores.ts";
import { bindKeys } from "./bind_sql.ts";
import { bindCursor, type Cursor } from "./cursor.ts";
import { stageHeldCopy } from "./stage_copy.ts";
import { stageHeldRows } from "./stage_rows.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** An asset on its way into staging. */
export interface Staging {
  readonly asset: ResolvedAsset;
  readonly target: Target;
  readonly stores: OpenStores;
  readonly context: BodyContext;
  readonly attempt: Attempt;
  /** Does with the store what cannot be done beside the same of another partition. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  /** `null` where the rows of a run do not join earlier ones. */
  readonly cursor: Cursor | null;
}

/** Staged rows, and how they came. */
export interface StagedBody {
  readonly staged: Staged;
  /** Rows that the body yielded; `undefined` where the store read them by itself. */
  readonly read: number | undefined;
  readonly quarantined: number;
  /** The table with all of its columns: those of the contract, and those that evolved. */
  readonly target: Target;
  /** What differs from the contract and was let through, for people. */
  readonly differences: readonly string[];
  /** What a body says of its rows, for people. */
  readonly summary?: string;
}

/** Computes an asset's rows into staging, by its body. */
export async function stage(staging: Staging): Promise<StagedBody> {
  const { asset, target, stores, context, attempt, cursor } = staging;
  const { body } = asset;
  const store = await stores.get(asset.store);
  switch (body.kind) {
    case "query": {
      const { view } = body;
      const { write } = asset.defined.options;
      const sql = bindCursor(
        bindKeys(body.sql, context.keys, asset.store),
        target,
        write,
        asset.store,
        cursor?.start ?? null,
      );
      const staged =
        view === null
          ? await store.stageQuery(target, sql, context.window, attempt)
          : await store.stageView(target, sql, view, context.window, attempt);
      return { staged, read: undefined, quarantined: 0, target, differences: [] };
    }
    case "copy":
      return { ...(await stageHeldCopy(body, staging)), read: undefined, quarantined: 0 };
    case "rows":
      return await stageHeldRows(staging, body.rows);
    case "diff": {
      const { diffRows } = await import("./diff_rows.ts");
      let summary = "";
      const rows = diffRows(body, staging, (text) => {
        summary = text;
      });
      return { ...(await stageHeldRows(staging, rows)), summary };
    }
    case "archive":
    case "validation":
    case "task":
    case "superset":
      throw new TypeError(`${asset.key} stages no rows`);
  }
}
