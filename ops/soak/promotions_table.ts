/** The schema of the soak's tables. */
export const SCHEMA = "promotions";
/** The columns of `promotions.parquet`. */
export const NAMES = ["product_id", "store_id", "display_location", "mailer_location", "week"] as const;
/** The tables, called by how their rows come; `queried` reads `copied`. */
export const BODIES = ["copied", "queried", "yielded"] as const;
export type Body = (typeof BODIES)[number];

/** What the process of one run says of itself. */
export interface RunReport {
  readonly seconds: number;
  /** Peaks of its resident memory in both halves of its time. */
  readonly firstHalfMb: number;
  readonly secondHalfMb: number;
}

/** Same in all engines; sums of digits that no engine rounds. */
export const FINGERPRINT = `SELECT count(*), sum(product_id), sum(store_id), sum(week),
  count(DISTINCT display_location), sum(CASE WHEN display_location = '0' THEN 1 ELSE 0 END),
  sum(CASE WHEN mailer_location = 'A' THEN 1 ELSE 0 END) FROM `;
