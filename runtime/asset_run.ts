import type { RunPartition } from "./partitions.ts";
import type { Redact } from "./redaction.ts";
import type { AssetReport } from "./report.ts";
import type { SupersetRunContext } from "./superset/run_context.ts";

/**
 * What became of an asset: `refused` by a blocking check, `reused` from an attempt that could not report it, `partial`
 * where some partitions were published and some not, or only `checked`.
 */
export type Outcome = "published" | "refused" | "reused" | "partial" | "checked";

/** What a run asks for. */
export interface RunRequest {
  readonly runId: string;
  readonly rootRunId: string;
  /** An earlier attempt may have published without reporting it. */
  readonly resume: boolean;
  readonly isOpen: (runId: string) => boolean;
  /** Makes the whole table anew, where a run would add to it otherwise. */
  readonly fullRefresh: boolean;
  /** Tries the quarantined rows once more, instead of what the body would yield. */
  readonly replay: boolean;
  /** The partitions to compute; `null` without partitions. */
  readonly partitions: readonly RunPartition[] | null;
  /** Partitions that an archive brings back, each a key or `first...last`; empty: it archives. */
  readonly restore: readonly string[];
  /** The clock by which an archive says what is cold. */
  readonly now: Date;
  /** For what is in Superset: the data of the assets that it follows, as Dagster has recorded it; `null` without Dagster. */
  readonly upstream: SupersetRunContext["upstream"];
  readonly redact: Redact;
}

/** The end of an asset's run: what to tell Dagster, and what it was. */
export interface AssetResult {
  readonly outcome: Outcome;
  readonly report: AssetReport;
  /** Only where partitions are computed each by itself. */
  readonly failures?: readonly PartitionFailure[];
}

/** A partition that was not published, and why. */
export interface PartitionFailure {
  readonly key: string;
  readonly message: string;
}
