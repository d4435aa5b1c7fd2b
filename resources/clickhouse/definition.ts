import { bare, NAME } from "./quote.ts";

/** What only the server's own text of a table says. */
export interface Definition {
  /** Constraints and projections as ALTER TABLE adds them, by their names. */
  readonly constraints: ReadonlyMap<string, string>;
  readonly projections: ReadonlyMap<string, string>;
  /** The names of the indexes that somebody made; the server makes others by itself. */
  readonly indexes: ReadonlySet<string>;
  /** TTL, statistics and settings of each column. */
  readonly columns: ReadonlyMap<string, ColumnClauses>;
}

/** What follows the type, default and codec of a column. */
export type ColumnClauses = Readonly<Partial<Record<"ttl" | "statistics" | "settings", string>>>;

/** Reads the server's own text of a table, such as ``CREATE TABLE a.x (`id` Int64, CONSTRAINT c CHECK id > 0) ENGINE = …``. */
export function parseDefinition(text: string): Definition {
  const constraints = new Map<string, string>();
  const projections = new Map<string, string>();
  const indexes = new Set<string>();
  const columns = new Map<string, ColumnClauses>();
  for (const part of partsOf(text)) {
    const [, kind, name] = new RegExp(`^(?:(CONSTRAINT|PROJECTION|INDEX) )?(${NAME}) `).exec(part) ?? [];
    if (name === undefined) continue;
    if (kind === undefined) columns.set(bare(name), columnClauses(part));
    else if (kind === "INDEX") indexes.add(bare(name));
    else (kind === "CONSTRAINT" ? constraints : projections).set(bare(name), `ADD ${part}`);
  }
  return { constraints, projections, indexes, columns };
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

const COLUMN_CLAUSES = [
  ["statistics", " STATISTICS(", ")"],
  ["ttl", " TTL ", ""],
  ["settings", " SETTINGS (", ")"],
] as const;

function columnClauses(column: string): ColumnClauses {
  const starts: {
    readonly clause: keyof ColumnClauses;
    readonly at: number;
    readonly from: number;
    readonly end: string;
  }[] = [];
  for (const { token, index, depth } of tokensOf(column)) {
    if (token !== " " || depth > 0) continue;
    const found = COLUMN_CLAUSES.find(([, keyword]) => column.startsWith(keyword, index));
    if (found !== undefined) starts.push({ clause: found[0], at: index, from: index + found[1].length, end: found[2] });
  }
  return Object.fromEntries(
    starts.map(({ clause, from, end }, index) => {
      const to = starts[index + 1]?.at ?? column.length;
      return [clause, column.slice(from, to - end.length)];
    }),
  );
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
