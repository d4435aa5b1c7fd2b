import type { DefinedAsset } from "./asset.ts";
import type { DefinedSchedule } from "./schedule.ts";
import type { DefinedSensor } from "./sensor.ts";

/** What asks for runs by itself: a sensor or a schedule. */
export type DefinedTrigger = DefinedSensor | DefinedSchedule;

const defined: DefinedAsset[] = [];
const triggers: DefinedTrigger[] = [];

/** Remembers an asset that was just defined. */
export function register(asset: DefinedAsset): void {
  defined.push(asset);
}

/** All the assets defined so far in this process, in the order of their definition. */
export function definedAssets(): readonly DefinedAsset[] {
  return defined;
}

/** Remembers a sensor or schedule that was just defined. */
export function registerTrigger(trigger: DefinedTrigger): void {
  triggers.push(trigger);
}

/** All the sensors and schedules defined so far in this process, in the order of their definition. */
export function definedTriggers(): readonly DefinedTrigger[] {
  return triggers;
}
