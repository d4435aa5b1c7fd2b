/** Text as it is, and anything else as text: from plain JavaScript, a key or a duration may be anything. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : String(value);
}
