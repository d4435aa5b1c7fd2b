import type { z } from "zod";
import { asText } from "./as_text.ts";
import { tryGetSeconds } from "./duration.ts";
import type { Fault, FaultCode, SourcePosition } from "./fault.ts";
import type { ScheduleOptions } from "./schedule.ts";
import type { SensorOptions } from "./sensor.ts";
import type { TableRef } from "./sql.ts";
import { type Add, checkKey } from "./validate.ts";
import { checkCron, checkDagsterOptions, checkTimezone } from "./validate_options.ts";

/** Dagster gives up on a tick after 60 s, and ending a process that does not listen takes some of them. */
const LONGEST_TIMEOUT_SECONDS = 50;
/** Dagster's daemon looks this seldom at most. */
const LONGEST_INTERVAL_SECONDS = 86_400;

/** What was found in the options of a sensor or schedule; harmless ones where they are not even of the declared form. */
export interface ValidatedTrigger<O> {
  readonly options: O;
  readonly faults: readonly Fault[];
}

/** Collects everything that is wrong with a sensor. Never throws. */
export function validateSensor(
  key: string,
  options: SensorOptions<z.ZodType>,
  position: SourcePosition,
): ValidatedTrigger<SensorOptions<z.ZodType>> {
  return collect(key, options, { description: "", assets: [], evaluate: () => ({}) }, position, (add) => {
    checkShared(options, add);
    checkDuration("every", options.every, LONGEST_INTERVAL_SECONDS, add);
    if (options.watches !== undefined) checkAssets("watches", options.watches, add);
    const { cursor, evaluate } = options as { cursor?: unknown; evaluate?: unknown };
    if (typeof evaluate !== "function")
      add("bad_option", "evaluate: expected a function that returns { runs, cursor, … }");
    if (cursor !== undefined && !isSchema(cursor))
      add("bad_option", "cursor: expected a zod schema, such as z.strictObject({ id: z.int() })");
  });
}

/** Collects everything that is wrong with a schedule. Never throws. */
export function validateSchedule(
  key: string,
  options: ScheduleOptions,
  position: SourcePosition,
): ValidatedTrigger<ScheduleOptions> {
  return collect(key, options, { description: "", cron: "@daily", assets: [] }, position, (add) => {
    checkShared(options, add);
    const bad = (message: string): void => {
      add("bad_option", message);
    };
    checkCron("cron", asText(options.cron), bad);
    checkTimezone("timezone", options.timezone ?? "UTC", bad);
    const { partitions, evaluate } = options as { partitions?: unknown; evaluate?: unknown };
    if (partitions !== undefined && partitions !== "latest" && partitions !== "all")
      bad(`partitions: expected "latest" or "all", got ${JSON.stringify(partitions)}`);
    if (options.checksOnly !== undefined && typeof options.checksOnly !== "boolean")
      bad("checksOnly: expected a boolean");
    if (evaluate !== undefined && typeof evaluate !== "function")
      bad("evaluate: expected a function that returns { runs, skip }");
    if (evaluate === undefined && options.timeout !== undefined) bad("timeout: only evaluate has one");
    if (evaluate !== undefined && partitions !== undefined) bad("partitions: evaluate says which ones: leave one out");
  });
}

function collect<O extends object>(
  key: string,
  options: O,
  unreadable: O,
  position: SourcePosition,
  check: (add: Add) => void,
): ValidatedTrigger<O> {
  const faults: Fault[] = [];
  const add = (code: FaultCode, message: string): void => {
    faults.push({ code, asset: key, position, message });
  };
  try {
    checkKey(key, add);
    check(add);
    return { options, faults };
  } catch (error) {
    add("bad_option", `cannot read the definition: ${error instanceof Error ? error.message : String(error)}`);
    return { options: unreadable, faults };
  }
}

function checkShared(options: SensorOptions<z.ZodType> | ScheduleOptions, add: Add): void {
  checkDagsterOptions({ description: options.description, tags: options.tags }, add);
  checkAssets("assets", options.assets, add);
  if (Array.isArray(options.assets) && options.assets.length === 0)
    add("bad_option", "assets: expected at least one asset for its runs to materialise");
  checkDuration("timeout", options.timeout, LONGEST_TIMEOUT_SECONDS, add);
  const status = options.defaultStatus as unknown;
  if (status !== undefined && status !== "running" && status !== "stopped")
    add("bad_option", `defaultStatus: expected "running" or "stopped", got ${JSON.stringify(status)}`);
}

function checkAssets(where: string, assets: readonly (TableRef | undefined)[], add: Add): void {
  if (!Array.isArray(assets)) {
    add("bad_option", `${where}: expected a list of assets`);
    return;
  }
  const seen = new Set<string>();
  for (const [index, ref] of assets.entries()) {
    const key = (ref as Partial<TableRef> | null | undefined)?.assetKey;
    if (typeof key !== "string" || key === "")
      add("unknown_reference", `${where}[${index}] is no asset: import it from the file that defines it`);
    else if (seen.has(key)) add("bad_option", `${where}: "${key}" stands twice`);
    else seen.add(key);
  }
}

function checkDuration(what: string, value: string | undefined, longest: number, add: Add): void {
  if (value === undefined) return;
  const seconds = tryGetSeconds(asText(value));
  if (seconds === undefined)
    add("bad_option", `${what}: expected a duration such as "30s" or "5m", got ${JSON.stringify(value)}`);
  else if (seconds > longest) add("bad_option", `${what}: expected at most ${longest} s, got ${JSON.stringify(value)}`);
}

function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && "safeParse" in value && typeof value.safeParse === "function";
}
