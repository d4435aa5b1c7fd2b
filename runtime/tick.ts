import type { z } from "zod";
import { ProjectError } from "../definitions/project_error.ts";
import type { DefinedTrigger } from "../definitions/registry.ts";
import type { Materialization, TickContext } from "../definitions/tick.ts";
import { readTickResult, type TickResult } from "./tick_result.ts";

/** What a sensor stored is not what it declares. */
export class StoredCursorError extends ProjectError {
  readonly code = "bad_stored_cursor";
  readonly retryable = false;
}

/** A tick, as it is asked for. */
export interface Tick {
  /** What an earlier tick stored, as JSON text. */
  readonly cursor: string | null;
  /** The time of the cron schedule, for a schedule. */
  readonly scheduledAt: Date | null;
  readonly materializations: readonly Materialization[];
}

/** What tells of tables; see {@link TickContext}. */
export type Tables = Pick<TickContext, "maxOf" | "arrivals" | "lastPublishes">;

/**
 * Evaluates a sensor or schedule once.
 *
 * @throws StoredCursorError TickResultError, and whatever its `evaluate` throws
 */
export async function evaluateTick(trigger: DefinedTrigger, tick: Tick, context: TickContext): Promise<TickResult> {
  if (trigger.kind === "schedule") {
    const { evaluate } = trigger.options;
    if (evaluate === undefined) throw new TypeError(`the schedule ${trigger.key} has no evaluate`);
    return readTickResult(trigger, await evaluate({ ...context, scheduledAt: tick.scheduledAt ?? context.now }));
  }
  const { evaluate, assets, cursor: schema } = trigger.options;
  const cursor = tick.cursor === null || schema === undefined ? null : parseCursor(trigger.key, schema, tick.cursor);
  return readTickResult(
    trigger,
    await evaluate({ ...context, assets, cursor, materializations: tick.materializations }),
  );
}

function parseCursor(key: string, schema: z.ZodType, text: string): unknown {
  let found: string;
  try {
    const read = schema.safeParse(JSON.parse(text));
    if (read.success) return read.data;
    found = read.error.issues.map(({ path, message }) => [...path, message].join(": ")).join("; ");
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  throw new StoredCursorError(
    `the stored cursor of the sensor ${key} is not what it declares: ${found}. ` +
      "Let the schema take the old form too, or empty the cursor in Dagster: the sensor then starts anew",
  );
}
