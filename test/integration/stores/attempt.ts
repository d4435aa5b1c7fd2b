import { randomUUID } from "node:crypto";
import type { Attempt } from "../../../resources/store.ts";

/** What a run hands a store, of a run that no other test knows. */
export function attempt(change: Partial<Attempt> = {}): Attempt {
  const runId = change.runId ?? randomUUID();
  return {
    runId,
    rootRunId: runId,
    codeVersion: "v1",
    startedAt: new Date(),
    signal: new AbortController().signal,
    log: () => undefined,
    ...change,
  };
}
