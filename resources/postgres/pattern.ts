/** Letters after a backslash that mean something else in PostgreSQL's expressions than in RE2's. */
const ESCAPES: Readonly<Record<string, string>> = { b: "\\y", B: "\\Y", z: "\\Z" };
const FLAGS = /^\(\?([ims]+)\)/;

/**
 * A pattern in the common syntax (RE2) that matches a whole text, as an expression of PostgreSQL: there flags stand
 * only at the very start, a dot matches line ends unless told otherwise, and `\b` is a backspace.
 *
 * @see https://www.postgresql.org/docs/current/functions-matching.html#POSIX-SYNTAX-DETAILS
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function wholeTextPattern(pattern: string): string {
  const flags = FLAGS.exec(pattern)?.[1] ?? "";
  const body = pattern.slice(flags === "" ? 0 : flags.length + 3);
  const lines = flags.includes("m") ? (flags.includes("s") ? "w" : "n") : flags.includes("s") ? "s" : "p";
  return `(?${flags.includes("i") ? "i" : ""}${lines})^(?:${translate(body)})$`;
}

function translate(pattern: string): string {
  return pattern.replaceAll(/\\(.)/gsu, (escape, letter: string) => ESCAPES[letter] ?? escape);
}
