import { bare, NAME } from "./quote.ts";

/** What only the server's own text of a table says. */
export interface Definition {
  /** As ALTER TABLE adds them, by their names. */
  readonly constraints: ReadonlyMap<string, string>;
  /** The TTL of each column that has one. */
  readonly ttls: ReadonlyMap<string, string>;
}

/** Reads the server's own text of a table, such as ``CREATE TABLE a.x (`id` Int64, CONSTRAINT c CHECK id > 0) ENGINE = …``. */
export function parseDefinition(text: string): Definition {
  const constraints = new Map<string, string>();
  const ttls = new Map<string, string>();
  for (const part of partsOf(text)) {
    const constraint = new RegExp(`^CONSTRAINT (${NAME}) `).exec(part);
    if (constraint !== null) constraints.set(bare(constraint[1] ?? ""), `ADD ${part}`);
    const column = new RegExp(`^\`(?:[^\`\\\\]|\\\\.)*\``).exec(part);
    const ttl = column === null ? undefined : ttlOf(part);
    if (ttl !== undefined) ttls.set(bare(column?.[0] ?? ""), ttl);
  }
  return { constraints, ttls };
}

/** Columns, indexes, constraints and projections: what is between the outermost parentheses, comma by comma. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (const { token, index, depth } of tokensOf(text)) {
    if (token === "(" && depth === 1) start = index + 1;
    if ((token === "," && depth === 1) || (token === ")" && depth === 0)) {
      parts.push(text.slice(start, index).trim());
      start = index + 1;
    }
    if (token === ")" && depth === 0) break;
  }
  return parts;
}

/** It is the last but the settings of all that a column has. */
function ttlOf(column: string): string | undefined {
  let [start, end] = [-1, column.length];
  for (const { token, index, depth } of tokensOf(column)) {
    if (token !== " " || depth > 0) continue;
    if (column.startsWith(" TTL ", index)) [start, end] = [index + " TTL ".length, column.length];
    if (column.startsWith(" SETTINGS (", index)) end = index;
  }
  return start < 0 ? undefined : column.slice(start, end);
}

interface Token {
  /** Quoted text, or a single character. */
  readonly token: string;
  readonly index: number;
  /** How many parentheses are open after it. */
  readonly depth: number;
}

/** The parts of a text in which nothing that is quoted counts. */
export function* tokensOf(text: string): Generator<Token> {
  let depth = 0;
  // Quoted text, whatever is in it, then a single character.
  for (const { 0: token, index } of text.matchAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|[^]/g)) {
    if (token === "(" || token === "[") depth += 1;
    if (token === ")" || token === "]") depth -= 1;
    yield { token, index, depth };
  }
}
