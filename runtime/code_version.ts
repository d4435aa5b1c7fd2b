import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { SourcePosition } from "../definitions/fault.ts";
import { scanFile } from "./import_scan.ts";

/** Changes with the asset's file, its SQL file, and the project's files that they import and that define no asset. */
export function codeVersion(sources: readonly SourcePosition[], assetFiles: ReadonlySet<string>): string {
  const hash = createHash("sha256");
  const seen = new Set<string>();
  const add = (path: string): void => {
    if (seen.has(path) || !existsSync(path)) return;
    seen.add(path);
    if (!path.endsWith(".ts")) {
      hash.update(readFileSync(path));
      return;
    }
    const { text, imports } = scanFile(path);
    hash.update(text);
    for (const one of imports) if (!assetFiles.has(one.path)) add(one.path);
  };
  for (const { file } of sources) add(file);
  return hash.digest("hex").slice(0, 16);
}
