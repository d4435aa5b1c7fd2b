import { tryGetSeconds } from "../definitions/duration.ts";
import type { Fault } from "../definitions/fault.ts";
import type { ManifestSchedule, ManifestSensor } from "../definitions/manifest_schema.ts";
import { groundOf, type Partitions, timeOf } from "../definitions/partitions.ts";
import type { DefinedTrigger } from "../definitions/registry.ts";
import type { DefinedSchedule } from "../definitions/schedule.ts";
import type { DefinedSensor } from "../definitions/sensor.ts";
import { projectPath } from "./import_scan.ts";

const DEFAULT_INTERVAL_SECONDS = 30;
const DEFAULT_TIMEOUT_SECONDS = 20;

/**
 * What is wrong between sensors and schedules and the assets that they name.
 *
 * @param partitionsOf The partitions of each asset that there is, also of those with a fault.
 */
export function triggerFaults(
  triggers: readonly DefinedTrigger[],
  partitionsOf: ReadonlyMap<string, Partitions | undefined>,
  isKnown: (key: string) => boolean,
): Fault[] {
  const faults = triggers.flatMap((trigger) => [...trigger.faults]);
  for (const trigger of triggers) {
    if (trigger.faults.length > 0) continue;
    const add = (code: Fault["code"], message: string): void => {
      faults.push({ code, asset: trigger.key, position: trigger.position, message });
    };
    for (const key of [...assetKeys(trigger), ...watchedKeys(trigger)])
      if (!isKnown(key)) add("unknown_reference", `names "${key}", which no file under assets/ defines`);
    if (trigger.kind === "sensor") {
      try {
        if (assetKeys(trigger).every(isKnown)) trigger.options.validate?.(trigger.options.assets);
      } catch (error) {
        add("bad_option", error instanceof Error ? error.message : String(error));
      }
    }
    if (trigger.kind === "sensor" || trigger.options.evaluate !== undefined) continue;
    const partitioned = assetKeys(trigger).flatMap((key) => {
      const partitions = partitionsOf.get(key);
      return partitions === undefined ? [] : [{ key, partitions }];
    });
    const [first, ...others] = partitioned;
    const other = others.find((one) => first !== undefined && groundOf(one.partitions) !== groundOf(first.partitions));
    if (first !== undefined && other !== undefined)
      add(
        "bad_option",
        `${first.key} and ${other.key} have different partitions: write a schedule for each, or an evaluate`,
      );
    else if (first !== undefined && timeOf(first.partitions) === undefined && trigger.options.partitions !== "all")
      add("bad_option", `the partitions of ${first.key} are no times: expected partitions: "all", or an evaluate`);
  }
  return faults;
}

/** A sensor as the Dagster side knows it. */
export function describeSensor(sensor: DefinedSensor, projectDir: string): ManifestSensor {
  const { every, defaultStatus } = sensor.options;
  return {
    ...describeTrigger(sensor, projectDir),
    default_status: defaultStatus ?? "running",
    interval_seconds: tryGetSeconds(every ?? "") ?? DEFAULT_INTERVAL_SECONDS,
    watches: watchedKeys(sensor).map((key) => key.split("/")),
  };
}

/** A schedule as the Dagster side knows it. */
export function describeSchedule(schedule: DefinedSchedule, projectDir: string): ManifestSchedule {
  const { cron, timezone, partitions, evaluate, defaultStatus, checksOnly } = schedule.options;
  return {
    ...describeTrigger(schedule, projectDir),
    default_status: defaultStatus ?? "running",
    cron,
    timezone: timezone ?? "UTC",
    partitions: evaluate === undefined ? (partitions ?? "latest") : null,
    checks_only: checksOnly ?? false,
  };
}

function describeTrigger(
  trigger: DefinedTrigger,
  projectDir: string,
): Omit<ManifestSensor, "interval_seconds" | "watches" | "default_status"> {
  const { description, timeout, tags } = trigger.options;
  const { file, line } = trigger.position;
  return {
    key: trigger.key.split("/"),
    description,
    assets: assetKeys(trigger).map((key) => key.split("/")),
    timeout_seconds: tryGetSeconds(timeout ?? "") ?? DEFAULT_TIMEOUT_SECONDS,
    tags: { ...tags },
    sources: [{ file: projectPath(projectDir, file), line }],
  };
}

function assetKeys({ options }: DefinedTrigger): string[] {
  return options.assets.map(({ assetKey }) => assetKey);
}

function watchedKeys(trigger: DefinedTrigger): string[] {
  return trigger.kind === "sensor" ? (trigger.options.watches ?? []).map(({ assetKey }) => assetKey) : [];
}
