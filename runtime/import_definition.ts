import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Manifest } from "../definitions/manifest_schema.ts";

/** An entry of the manifest, with the files that define it. */
type Entry = Pick<Manifest["assets"][number], "key" | "sources">;

/**
 * Imports the file that defines a key, and what it imports: the file that the key names, else the one in the manifest,
 * since the key of what a loop builds is no path. Imports nothing where there is neither.
 *
 * @param key `folder/name`
 * @param projectDir A real path, by which Node imports files.
 */
export async function importDefinition(
  key: string,
  projectDir: string,
  entriesOf: (manifest: Manifest) => readonly Entry[],
): Promise<void> {
  const byPath = join(projectDir, "assets", `${key}.ts`);
  const path = /^\w+\/\w+$/.test(key) && existsSync(byPath) ? byPath : tryGetFile(key, projectDir, entriesOf);
  if (path !== undefined) await import(pathToFileURL(path).href);
}

function tryGetFile(
  key: string,
  projectDir: string,
  entriesOf: (manifest: Manifest) => readonly Entry[],
): string | undefined {
  const path = join(projectDir, "manifest.json");
  if (!existsSync(path)) return undefined;
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  const file = entriesOf(manifest).find((entry) => entry.key.join("/") === key)?.sources[0]?.file;
  return file === undefined ? undefined : join(projectDir, file);
}
