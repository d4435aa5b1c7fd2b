import type { BodyContext } from "../definitions/body.ts";
import type { Check } from "../definitions/check.ts";
import { type KeyPartitions, keysOf, timeOf } from "../definitions/partitions.ts";
import type { Sql } from "../definitions/sql.ts";
import { spanOf } from "../definitions/time_periods.ts";
import type { QueryWindow } from "../resources/store.ts";
import { bindCheck, listOf } from "./bind_sql.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** Checks whose SQL says nothing more that a run supplies but the window. */
export interface BoundChecks {
  readonly checks: readonly Check[];
  /** `null` without time partitions. */
  readonly window: QueryWindow | null;
}

/**
 * Binds the window and the keys of the run in the SQL of checks; of a run of the whole table those of all partitions.
 *
 * @param now By which a partition is over.
 */
export function bindChecks(
  { defined, store }: Pick<ResolvedAsset, "defined" | "store">,
  checks: readonly Check[],
  context: Pick<BodyContext, "window" | "keys">,
  now: Date,
): BoundChecks {
  const { partitions } = defined.options;
  if (partitions === undefined) return { checks, window: context.window };
  const [time, by] = [timeOf(partitions), keysOf(partitions)];
  const window = context.window ?? (time === undefined ? null : spanOf(time, now));
  if (by === undefined) return { checks, window };
  const keys = context.keys === null ? allKeys(by, store) : listOf(context.keys, store);
  return { checks: checks.map((check) => bindCheck(check, keys)), window };
}

/** Of a list that grows at run time, Dagster alone knows all: those that the rows have. */
function allKeys(partitions: KeyPartitions, store: ResolvedAsset["store"]): Sql {
  if (partitions.kind === "static") return listOf(partitions.keys, store);
  const column = { kind: "column", assetKey: "", column: partitions.column } as const;
  return { kind: "sql", strings: ["(SELECT ", " FROM ", ")"], values: [column, { kind: "self" }] };
}
