import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { DefinedAsset } from "../definitions/asset.ts";
import type { Fault, SourcePosition } from "../definitions/fault.ts";
import { definedAssets, definedDashboards, definedTriggers, type DefinedTrigger } from "../definitions/registry.ts";
import type { DefinedDashboard } from "../definitions/superset/dashboard.ts";
import { listFiles, projectPath, scanFile, type ScannedFile } from "./import_scan.ts";
import { locate } from "./locate.ts";
import { type Cycle, sortByNeeds } from "./order.ts";

/** All that was found under `assets/`. */
export interface LoadedAssets {
  readonly assets: readonly DefinedAsset[];
  readonly triggers: readonly DefinedTrigger[];
  readonly dashboards: readonly DefinedDashboard[];
  /** Faults of files; those of definitions are on the assets. */
  readonly faults: readonly Fault[];
  readonly files: ReadonlyMap<string, ScannedFile>;
}

/**
 * Imports every file under `assets/`, each for itself: a file that cannot be loaded does not hide the others.
 *
 * @param projectDir Its real path: Node resolves symbolic links.
 * @param onImport Called with each file before it runs.
 */
export async function loadAllAssets(
  projectDir: string,
  onImport: (path: string) => void = () => undefined,
): Promise<LoadedAssets> {
  const folder = join(projectDir, "assets");
  if (!existsSync(folder)) {
    const message = "there is no folder assets/: put one TypeScript file per table into it";
    return {
      assets: [],
      triggers: [],
      dashboards: [],
      faults: [{ code: "no_asset", asset: null, position: { file: "assets", line: 1 }, message }],
      files: new Map(),
    };
  }
  const files = new Map(listFiles(folder, [".ts"]).map((path) => [path, scanFile(path)]));
  const { sorted, cycles, knotted } = sortByNeeds(
    files.keys(),
    (path) => files.get(path)?.imports.map((one) => one.path) ?? [],
  );
  const faults: Fault[] = cycles.map((cycle) => cycleFault(projectDir, cycle, files));
  const unusable = new Set(knotted);

  for (const path of sorted) {
    if (unusable.has(path)) continue;
    const outside = files.get(path)?.imports.find((one) => !isWatched(folder, one.path));
    if (outside !== undefined) {
      unusable.add(path);
      faults.push({
        code: "import_failed",
        asset: keyOf(projectDir, path),
        position: { file: path, line: outside.line },
        message: `imports ${projectPath(projectDir, outside.path)}, whose changes would go unnoticed: only .ts files under assets/ are watched. Move it there, or make it a package`,
      });
      continue;
    }
    const broken = files.get(path)?.imports.find((one) => unusable.has(one.path));
    if (broken !== undefined) {
      unusable.add(path);
      const message = `not loaded, because it imports ${projectPath(projectDir, broken.path)}, which has a fault`;
      faults.push({
        code: "import_failed",
        asset: keyOf(projectDir, path),
        position: { file: path, line: broken.line },
        message,
      });
      continue;
    }
    const before = [definedAssets().length, definedTriggers().length, definedDashboards().length] as const;
    onImport(path);
    try {
      await import(pathToFileURL(path).href);
    } catch (error) {
      unusable.add(path);
      faults.push(importFault(projectDir, path, error, files.get(path)));
      continue;
    }
    const added = [
      ...definedAssets().slice(before[0]),
      ...definedTriggers().slice(before[1]),
      ...definedDashboards().slice(before[2]),
    ];
    for (const { key, position } of added.map((defined) => locate(defined, projectDir))) {
      if (files.has(position.file)) continue;
      const message = `is defined outside of assets/: call what defines it in assets/${key}.ts`;
      faults.push({ code: "key_unlike_path", asset: key, position, message });
    }
    if (added.length === 0 && !isImported(path, files)) {
      const message =
        "defines no asset, sensor, schedule or dashboard, and no other file imports it: call defineAsset, or remove the file";
      faults.push({ code: "no_asset", asset: null, position: { file: path, line: 1 }, message });
    }
  }
  const isUsable = ({ position }: { readonly position: SourcePosition }): boolean =>
    files.has(position.file) && !unusable.has(position.file);
  const assets = definedAssets()
    .map((asset) => locate(asset, projectDir))
    .filter(isUsable);
  const triggers = definedTriggers()
    .map((trigger) => locate(trigger, projectDir))
    .filter(isUsable);
  const dashboards = definedDashboards()
    .map((dashboard) => locate(dashboard, projectDir))
    .filter(isUsable);
  const all = [...assets, ...triggers, ...dashboards];
  return { assets, triggers, dashboards, faults: [...faults, ...pathFaults(projectDir, all)], files };
}

/** The asset key that a file's path stands for. */
export function keyOf(projectDir: string, path: string): string {
  return projectPath(join(projectDir, "assets"), path).replace(/\.ts$/, "");
}

/** Whether a change of a file makes the manifest out of date; packages change with an installation only. */
function isWatched(folder: string, path: string): boolean {
  return (path.startsWith(folder + sep) && path.endsWith(".ts")) || path.includes(`${sep}node_modules${sep}`);
}

function isImported(path: string, files: ReadonlyMap<string, ScannedFile>): boolean {
  return [...files.values()].some(({ imports }) => imports.some((one) => one.path === path));
}

/** A file with one asset has its key as its path; a file that builds several declares their keys itself. */
function pathFaults(
  projectDir: string,
  assets: readonly (DefinedAsset | DefinedTrigger | DefinedDashboard)[],
): Fault[] {
  const faults: Fault[] = [];
  const byFile = Map.groupBy(assets, ({ position }) => position.file);
  for (const [file, [first, ...others]] of byFile) {
    const expected = keyOf(projectDir, file);
    if (first === undefined || others.length > 0 || first.key === expected) continue;
    const message = `key "${first.key}" is unlike the file's path: expected "${expected}", or the file assets/${first.key}.ts`;
    faults.push({ code: "key_unlike_path", asset: first.key, position: first.position, message });
  }
  // Stores and some file systems do not tell upper case from lower case.
  for (const [, [first, ...others]] of Map.groupBy(assets, (asset) => asset.key.toLowerCase())) {
    if (first === undefined) continue;
    const place = `${projectPath(projectDir, first.position.file)}:${first.position.line}`;
    for (const { key, position } of others) {
      const message = `key "${key}" is defined at ${place} already${key === first.key ? "" : `, as "${first.key}"`}`;
      faults.push({ code: "duplicate_key", asset: key, position, message });
    }
  }
  return faults;
}

function cycleFault(projectDir: string, cycle: Cycle<string>, files: ReadonlyMap<string, ScannedFile>): Fault {
  const [first = "", second = first] = cycle;
  const names = [...cycle, first].map((path) => projectPath(projectDir, path)).join(" → ");
  const line = files.get(first)?.imports.find((one) => one.path === second)?.line ?? 1;
  const message = `the files import each other: ${names}. Put what they share into a file of its own`;
  return { code: "cycle", asset: keyOf(projectDir, first), position: { file: first, line }, message };
}

function importFault(projectDir: string, path: string, error: unknown, scanned: ScannedFile | undefined): Fault {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  // The first line of the project's own on the stack; Node puts the place of a syntax error there too.
  const frames = [...stack.matchAll(/(file:\/\/[^\s]+?|\/[^\s()]+?):(\d+)/g)];
  const own = frames.find(([, place]) => place === path || place === pathToFileURL(path).href);
  const missing = scanned?.imports.find((one) => message.includes(`'${one.path}'`));
  const line = missing?.line ?? Number(own?.[2] ?? 1);
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const text =
    code === "ERR_MODULE_NOT_FOUND" && missing !== undefined
      ? `imports ${projectPath(projectDir, missing.path)}, which does not exist`
      : message.replaceAll(pathToFileURL(projectDir + sep).href, "").replaceAll(projectDir + sep, "");
  return {
    code: "import_failed",
    asset: keyOf(projectDir, path),
    position: { file: path, line },
    message: `cannot be loaded: ${text}${error instanceof SyntaxError ? excerpt(stack) : ""}`,
  };
}

/** The column and the line of a syntax error: Node puts the source line and a row of carets before the message. */
function excerpt(stack: string): string {
  const [, line, indent] = /\n([^\n]*)\n( *)\^+\n/.exec(stack) ?? [];
  return line === undefined || indent === undefined ? "" : `, at column ${indent.length + 1}: ${line.trim()}`;
}
