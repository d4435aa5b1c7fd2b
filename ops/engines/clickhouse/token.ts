/** A piece of SQL text that is neither space nor comment. */
export interface Token {
  readonly kind: "word" | "text" | "symbol";
  /** As written; of a word in upper case as well. */
  readonly text: string;
  readonly upper: string;
  readonly start: number;
  readonly end: number;
  /** How many parentheses are open around it. */
  readonly depth: number;
}

/** Sticky, one alternative per kind: space, comments, quoted text, heredocs, words, anything else. */
const PIECE =
  /(?<space>\s+|--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<text>'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`\\]|\\[\s\S]|``)*`|(?<tag>\$\w*\$)[\s\S]*?\k<tag>)|(?<word>[A-Za-z_]\w*)|[\s\S]/y;

/** Reads tokens one at a time: what follows the `FORMAT` of an insert is data, and must not be read as SQL. */
export function* tokensOf(sql: string): Generator<Token, void, undefined> {
  let depth = 0;
  let position = 0;
  while (position < sql.length) {
    PIECE.lastIndex = position;
    const match = PIECE.exec(sql);
    if (match === null) return;
    const [text] = match;
    const start = position;
    position += text.length;
    if (match.groups?.["space"] !== undefined) continue;
    const kind =
      match.groups?.["text"] !== undefined ? "text" : match.groups?.["word"] !== undefined ? "word" : "symbol";
    if (text === ")") depth -= 1;
    yield { kind, text, upper: kind === "word" ? text.toUpperCase() : text, start, end: position, depth };
    if (text === "(") depth += 1;
  }
}
