import type { Log } from "../../definitions/body.ts";
import type { PublishedData } from "../../resources/superset/dataset/wanted.ts";
import type { Redact } from "../redaction.ts";

/** What the run of a node is given. */
export interface SupersetRunContext {
  /** Aborted when the run is terminated. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly runId: string;
  /** Asset to the data that it holds as Dagster has recorded it; `null`: without Dagster nobody knows. */
  readonly upstream: Readonly<Record<string, PublishedData | null>> | null;
  readonly projectDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly redact: Redact;
}
