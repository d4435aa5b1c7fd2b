import { realpathSync } from "node:fs";
import { definedTriggers, type DefinedTrigger } from "../definitions/registry.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { importDefinition } from "./import_definition.ts";

/** No file defines the sensor or schedule. */
export class UnknownTriggerError extends ProjectError {
  readonly code = "unknown_trigger";
  readonly retryable = false;
}

/**
 * Loads one sensor or schedule, and what it imports.
 *
 * @param key `folder/name`
 * @throws UnknownTriggerError
 */
export async function findTrigger(key: string, projectDir: string): Promise<DefinedTrigger> {
  await importDefinition(key, realpathSync(projectDir), ({ sensors, schedules }) => [...sensors, ...schedules]);
  const found = definedTriggers().find((trigger) => trigger.key === key);
  if (found === undefined)
    throw new UnknownTriggerError(
      `no file defines the sensor or schedule ${JSON.stringify(key)}: expected assets/${key}.ts, or a manifest.json that names its file`,
    );
  return found;
}
