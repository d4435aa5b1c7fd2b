import { fileURLToPath } from "node:url";
import { getCallSites } from "node:util";
import type { SourcePosition } from "./fault.ts";

const HERE = new URL(".", import.meta.url).href;
const HERE_PATH = fileURLToPath(HERE);

/** The first place outside of `definitions/` on the stack: where a person called `defineAsset`. */
export function callerPosition(): SourcePosition {
  for (const { scriptName, lineNumber } of getCallSites()) {
    if (scriptName === "" || scriptName.startsWith(HERE) || scriptName.startsWith(HERE_PATH)) continue;
    return { file: scriptName.startsWith("file:") ? fileURLToPath(scriptName) : scriptName, line: lineNumber };
  }
  return { file: "unknown", line: 1 };
}
