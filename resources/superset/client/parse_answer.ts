/** A number with more digits than a double holds for certain. */
const WIDE = /\d{16}/;

/** TypeScript's library does not know the third argument yet. @see https://tc39.es/proposal-json-parse-with-source */
type Parse = (text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown;

/**
 * Reads JSON. Whole numbers that a double would round come as the text of their digits: rounded, two of them could pass
 * for the same.
 *
 * @throws SyntaxError
 */
export function parseAnswer(text: string): unknown {
  // A reviver is called for each value, which most answers can do without.
  if (!WIDE.test(text)) return JSON.parse(text);
  return (JSON.parse as Parse)(text, (_key, value, { source = "" }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? source : value,
  );
}
