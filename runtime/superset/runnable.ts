import type { SourcePosition } from "../../definitions/fault.ts";
import type { AssetReport } from "../report.ts";
import type { ResolvedAsset } from "../resolve.ts";
import type { SupersetRunContext } from "./run_context.ts";

/** What a node of Superset is, where it is run. */
export interface RunnableNode extends Pick<ResolvedAsset, "key" | "deps" | "store" | "codeVersion"> {
  readonly description: string;
  /** Where it is declared. */
  readonly position: SourcePosition;
  readonly faults?: ResolvedAsset["faults"];
  readonly run: (context: SupersetRunContext) => Promise<AssetReport>;
}

/** A node of Superset as the runtime sees an asset: without a table, columns or checks. */
export function runnable({ description, position, run, faults = [], ...node }: RunnableNode): ResolvedAsset {
  const options = { description, body: { task: () => Promise.resolve() } };
  return {
    ...node,
    faults,
    sources: [position],
    defined: { key: node.key, options, columns: [], position, callers: [], faults: [] },
    body: { kind: "superset", run },
    target: null,
    checks: [],
    sqlDeps: new Set(),
  };
}
