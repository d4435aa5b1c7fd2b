import { asText } from "./as_text.ts";
import type { Duration } from "./duration.ts";
import type { Fault, SourcePosition } from "./fault.ts";
import { registerTrigger } from "./registry.ts";
import { callerPositions, UNKNOWN_POSITION } from "./source_position.ts";
import type { TableRef } from "./sql.ts";
import type { RunRequest, TickContext } from "./tick.ts";
import { validateSchedule } from "./validate_trigger.ts";

/** What `evaluate` of a schedule is given. */
export interface ScheduleContext extends TickContext {
  /** The time that the cron schedule says; `now` is a little later, or much later after an outage. */
  readonly scheduledAt: Date;
}

/** What `evaluate` of a schedule returns. Nothing of it counts unless all of it is right. */
export interface ScheduleResult {
  readonly runs?: readonly RunRequest[] | undefined;
  /** Why there is nothing to do, for people. */
  readonly skip?: string | undefined;
}

/** Everything that a schedule is. */
export interface ScheduleOptions {
  readonly description: string;
  /** Five fields, or a name such as `@daily`. */
  readonly cron: string;
  /** IANA name of the zone of the cron schedule. @default "UTC" */
  readonly timezone?: string | undefined;
  /** What its runs materialise; those with partitions have the same ones. */
  readonly assets: readonly TableRef[];
  /**
   * Which partitions: the `latest` one that is over by the time of the tick, or `all` in one run. Partitions that are
   * not times have no latest one. @default "latest"
   */
  readonly partitions?: "latest" | "all" | undefined;
  /** Its runs execute the checks of the assets on what is published, and compute nothing. @default false */
  readonly checksOnly?: boolean | undefined;
  /** Whether it runs until somebody switches it off, or not until somebody switches it on. @default "running" */
  readonly defaultStatus?: "running" | "stopped" | undefined;
  /** Tags of its runs. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Says which runs there are to be, instead of `partitions`. Runs in Node, at each tick. */
  readonly evaluate?: ((context: ScheduleContext) => ScheduleResult | Promise<ScheduleResult>) | undefined;
  /** An `evaluate` that takes longer fails its tick; at most "50s". @default "20s" */
  readonly timeout?: Duration | undefined;
}

/** A schedule, as unit tests refer to it. */
export interface Schedule {
  readonly kind: "schedule";
  /** `folder/name`. */
  readonly key: string;
  readonly options: ScheduleOptions;
}

/** A schedule as the runtime sees it. */
export interface DefinedSchedule extends Schedule {
  readonly position: SourcePosition;
  readonly callers: readonly SourcePosition[];
  readonly faults: readonly Fault[];
}

/**
 * Declares a schedule: it launches a run of its assets at the times that a cron schedule says. Never throws: mistakes
 * are recorded with their file and line, as those of assets are.
 *
 * @param key `"folder/name"`, the same as the file's path below `assets/`.
 * @example
 * ```ts
 * import { defineSchedule } from "dagster-typescript";
 * import { orders } from "./orders.ts";
 *
 * export const nightly = defineSchedule("shop/nightly", {
 *   description: "The orders of the day that is over.",
 *   cron: "0 3 * * *",
 *   timezone: "Europe/Berlin",
 *   assets: [orders],
 * });
 * ```
 */
export function defineSchedule(key: string, options: ScheduleOptions): Schedule {
  const callers = callerPositions();
  const [position = UNKNOWN_POSITION] = callers;
  const name = asText(key);
  const read = validateSchedule(name, options, position);
  registerTrigger({ kind: "schedule", key: name, options: read.options, position, callers, faults: read.faults });
  return { kind: "schedule", key: name, options };
}
