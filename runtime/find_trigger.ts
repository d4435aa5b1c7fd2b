import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Manifest } from "../definitions/manifest_schema.ts";
import { definedTriggers, type DefinedTrigger } from "../definitions/registry.ts";
import { ProjectError } from "../definitions/project_error.ts";

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
export async function findTrigger(key: string, project: string): Promise<DefinedTrigger> {
  const projectDir = realpathSync(project);
  const byPath = join(projectDir, "assets", `${key}.ts`);
  const path = /^\w+\/\w+$/.test(key) && existsSync(byPath) ? byPath : tryGetFile(key, projectDir);
  if (path !== undefined) await import(pathToFileURL(path).href);
  const found = definedTriggers().find((trigger) => trigger.key === key);
  if (found === undefined)
    throw new UnknownTriggerError(
      `no file defines the sensor or schedule ${JSON.stringify(key)}: expected assets/${key}.ts, or a manifest.json that names its file`,
    );
  return found;
}

function tryGetFile(key: string, projectDir: string): string | undefined {
  const path = join(projectDir, "manifest.json");
  if (!existsSync(path)) return undefined;
  const { sensors, schedules } = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  const file = [...sensors, ...schedules].find((one) => one.key.join("/") === key)?.sources[0]?.file;
  return file === undefined ? undefined : join(projectDir, file);
}
