import { fileURLToPath } from "node:url";
import { getCallSites } from "node:util";
import type { SourcePosition } from "./fault.ts";

const HERE = new URL(".", import.meta.url).href;
const HERE_PATH = fileURLToPath(HERE);
/** Deep enough for a function that defines assets, called by functions of a project. */
const MAX_FRAMES = 30;

/** Where a definition stands if the stack does not say. */
export const UNKNOWN_POSITION: SourcePosition = { file: "unknown", line: 1 };

/** The places outside of `definitions/` on the stack, innermost first: where a person called `defineAsset`. */
export function callerPositions(): SourcePosition[] {
  return getCallSites(MAX_FRAMES)
    .filter(({ scriptName: name }) => !name.startsWith(HERE) && !name.startsWith(HERE_PATH))
    .flatMap(({ scriptName: name, lineNumber: line }) => {
      if (name.startsWith("file:")) return [{ file: fileURLToPath(name), line }];
      return name.startsWith("/") ? [{ file: name, line }] : [];
    });
}
