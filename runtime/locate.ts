import { join, sep } from "node:path";
import type { Fault, SourcePosition } from "../definitions/fault.ts";

/**
 * Puts a definition to the file under `assets/` that it belongs to: a function of another file may have defined it for
 * that one, which is the outermost on the stack.
 */
export function locate<
  D extends {
    readonly position: SourcePosition;
    readonly callers: readonly SourcePosition[];
    readonly faults: readonly Fault[];
  },
>(defined: D, projectDir: string): D {
  const folder = join(projectDir, "assets") + sep;
  const position = defined.callers.findLast(({ file }) => file.startsWith(folder)) ?? defined.position;
  return { ...defined, position, faults: defined.faults.map((fault) => ({ ...fault, position })) };
}
