/** What can become of a column that breaks the charts which read it. */
export const BREAKING_CHANGES = ["removed", "retyped", "nullable"] as const;

/** A change of the columns that breaks what reads the table, and that is meant. */
export interface Break {
  /** By its earlier name, where it was renamed. */
  readonly column: string;
  /**
   * - `removed`: it is not there any more, or has another name;
   * - `retyped`: its type does not hold all of the earlier values any more, or is of another kind;
   * - `nullable`: it may be NULL now.
   */
  readonly change: (typeof BREAKING_CHANGES)[number];
  /** Why, and who agreed. The same change of the same column needs other words the next time. */
  readonly because: string;
}

/** An asset that people are to leave for another one. */
export interface Deprecation {
  /** The day from which on nobody is to read it any more, `YYYY-MM-DD`. */
  readonly on: string;
  /** Key of the asset that takes its place, such as `"retail/user_metrics_v2"`. */
  readonly replacedBy: string;
}

/** The sentence about a deprecation that everyone who reads the description sees. */
export function deprecationNote({ on, replacedBy }: Deprecation): string {
  return `Deprecated: read ${replacedBy} instead, and nothing else from ${on} on.`;
}
