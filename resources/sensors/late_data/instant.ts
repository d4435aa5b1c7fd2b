/** An instant some milliseconds later, both as ISO text with microseconds. */
export function later(instant: string, ms: number): string {
  const micros = instant.slice(-4, -1);
  return new Date(Date.parse(`${instant.slice(0, -4)}Z`) + ms).toISOString().replace("Z", `${micros}Z`);
}

/** A date as ISO text with microseconds. */
export function instantOf(date: Date): string {
  return date.toISOString().replace("Z", "000Z");
}
