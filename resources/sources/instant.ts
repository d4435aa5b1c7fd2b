const WITH_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/;

/**
 * An ISO 8601 time with its zone, as a `Date`. Anything else becomes an invalid `Date`, which the contract of the asset
 * refuses: `new Date(null)` would be 1970, and a time without a zone would be read in the zone of this machine.
 */
export function instant(value: unknown): Date {
  return new Date(typeof value === "string" && WITH_ZONE.test(value) ? value : Number.NaN);
}
