import { openSuperset, type Superset } from "../../resources/superset/open.ts";
import type { SupersetRunContext } from "./run_context.ts";

let session: { readonly signal: AbortSignal; readonly superset: Superset } | undefined;

/** Superset, with one login for all that a process does there: each takes Superset longer than a small sync. */
export function sessionOf({ env, signal, log }: SupersetRunContext): Superset {
  if (session?.signal !== signal) session = { signal, superset: openSuperset(env, { signal, log }) };
  return session.superset;
}
