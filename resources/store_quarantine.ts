/** A row that broke the contract. */
export interface QuarantinedRow {
  /** Counted from 1, in the order in which the body yielded. */
  readonly rowNumber: number;
  readonly reason: string;
  /** The row as JSON text, for people: not every value has a form there. */
  readonly value: string;
  /** The very row, as text for {@link KeptRow.exact}; `null`: it has none, so it cannot be replayed. */
  readonly exact?: string | null;
  /** Of a row that a replay could not publish: the run whose body yielded it. */
  readonly origin?: string | null;
}

/** A quarantined row, and what became of the run that quarantined it. */
export interface KeptRow extends QuarantinedRow {
  readonly runId: string;
  readonly exact: string | null;
  readonly origin: string | null;
  /** Whether its run has published. What failed is read again, the bad rows too. */
  readonly isPublished: boolean;
  /** The cursor that the run which yielded it has left; `null`: none. */
  readonly cursor: string | null;
}

/** Quarantined rows that are tried again, instead of what the body would yield. */
export interface Replay {
  /** The run of the latest publish when they were read: when there is a later one, nothing is published. */
  readonly latest: string;
  /** The runs that quarantined them: their rows leave the quarantine with the publish, for those that it brings. */
  readonly runs: readonly string[];
}
