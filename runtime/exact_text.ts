import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";

/** Characters of a text; longer rows are not kept exactly. */
const MOST_TEXT = 1_000_000;

/**
 * A row as text from which {@link readExact} makes the very same row, with its bigints, dates, NaN and undefined; `null`:
 * it has no such text, as it holds functions, is of a class of its own, or is too large.
 *
 * @see https://nodejs.org/api/v8.html#serialization-api Later versions of Node read what earlier ones wrote.
 */
export function exactText(row: unknown): string | null {
  try {
    const bytes = serialize(row);
    if (bytes.length * (4 / 3) > MOST_TEXT || !isDeepStrictEqual(deserialize(bytes), row)) return null;
    return bytes.toString("base64");
  } catch {
    // What cannot be cloned, and what throws when it is looked at.
    return null;
  }
}

/** @see exactText */
export function readExact(text: string): unknown {
  return deserialize(Buffer.from(text, "base64"));
}
