import type { DefinedAsset } from "./asset.ts";
import type { DefinedSchedule } from "./schedule.ts";
import type { DefinedSensor } from "./sensor.ts";
import type { DefinedDashboard } from "./superset/dashboard.ts";

/** What asks for runs by itself: a sensor or a schedule. */
export type DefinedTrigger = DefinedSensor | DefinedSchedule;

const defined: DefinedAsset[] = [];
const triggers: DefinedTrigger[] = [];
const dashboards: DefinedDashboard[] = [];

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

/** Remembers a dashboard that was just defined. */
export function registerDashboard(dashboard: DefinedDashboard): void {
  dashboards.push(dashboard);
}

/** All the dashboards defined so far in this process, in the order of their definition. */
export function definedDashboards(): readonly DefinedDashboard[] {
  return dashboards;
}
