import { tokensOf, type Token } from "./token.ts";

/** What the front must know of a statement before the engine runs it. */
export interface Statement {
  /**
   * - `read`: its answer can be sent while it is made
   * - `insert`: reports written rows
   * - `other`
   */
  readonly kind: "read" | "insert" | "other";
  /** The format that the text itself asks for. */
  readonly format: string | undefined;
  /** An insert whose rows come in the body, in `format`. */
  readonly load: Load | undefined;
  /** Whether more than one statement was sent. */
  readonly isSeveral: boolean;
}

/** Where in the text an insert meets its rows. */
export interface Load {
  /** The text before the clauses that a file's name goes in front of. */
  readonly head: string;
  /** `SETTINGS …` before the format, or empty. */
  readonly settings: string;
  readonly format: string;
  /** Where rows would begin in this text: after the format and one line break. */
  readonly rowsStart: number;
  /** `input('…')` in the text, when the rows pass through a SELECT. */
  readonly input: { readonly start: number; readonly end: number; readonly structure: string } | undefined;
}

const READS = new Set(["SELECT", "WITH", "("]);

/** Looks at the text of a statement, as far as the front has to. */
export function parseStatement(sql: string): Statement {
  const seen: Token[] = [];
  let format: Token | undefined;
  let isSeveral = false;
  for (const token of tokensOf(sql)) {
    if (seen.at(-1)?.text === ";") isSeveral = true;
    if (isSeveral) break;
    seen.push(token);
    const isInsert = seen[0]?.upper === "INSERT";
    const before = seen.at(-2);
    if (before?.upper === "FORMAT" && before.depth === 0 && token.kind === "word" && isClause(seen.at(-3))) {
      format = token;
      if (isInsert) break;
    }
    // The rows of VALUES: the engine reads them as they are.
    if (isInsert && token.upper === "VALUES" && token.depth === 0) {
      return { kind: "insert", format: undefined, load: loadOf(sql, seen, token, "Values"), isSeveral: false };
    }
  }
  const first = seen[0]?.upper ?? "";
  const isInsert = first === "INSERT" || (first === "WITH" && seen.some((t) => t.upper === "INSERT" && t.depth === 0));
  const load = first === "INSERT" && format !== undefined ? loadOf(sql, seen, format, format.text) : undefined;
  const kind = isInsert ? "insert" : READS.has(first) ? "read" : "other";
  return { kind, format: format?.text, load, isSeveral };
}

/** `FORMAT` may also be a column: `SELECT format FROM t`. As a clause it follows a complete expression. */
function isClause(before: Token | undefined): boolean {
  return before !== undefined && !["SELECT", ",", ".", "BY", "WHERE", "AND", "OR", "AS"].includes(before.upper);
}

function loadOf(sql: string, seen: readonly Token[], last: Token, format: string): Load | undefined {
  const infile = seen.some((t, i) => t.upper === "INFILE" && t.depth === 0 && seen[i - 1]?.upper === "FROM");
  if (infile) return undefined;
  const select = seen.find((t) => (t.upper === "SELECT" || t.upper === "WITH") && t.depth === 0);
  const settings = seen.find((t) => t.upper === "SETTINGS" && t.depth === 0);
  const formatStart = seen.at(-1) === last && last.upper === "VALUES" ? last.start : (seen.at(-2)?.start ?? last.start);
  const input = select === undefined ? undefined : inputOf(sql, seen);
  if (select !== undefined && input === undefined) return undefined;
  const headEnd = settings?.start ?? formatStart;
  return {
    head: sql.slice(0, headEnd),
    settings: sql.slice(headEnd, formatStart),
    format,
    rowsStart: last.end + (/^[ \t\f]*\r?\n?/.exec(sql.slice(last.end))?.[0].length ?? 0),
    input,
  };
}

function inputOf(sql: string, seen: readonly Token[]): Load["input"] {
  const at = seen.findIndex((t, i) => t.upper === "INPUT" && seen[i + 1]?.text === "(");
  const [name, open] = [seen[at], seen[at + 1]];
  const close = seen.find((t, i) => i > at + 1 && t.text === ")" && t.depth === open?.depth);
  if (name === undefined || open === undefined || close === undefined) return undefined;
  return { start: name.start, end: close.end, structure: sql.slice(open.end, close.start) };
}

/**
 * The insert, reading its rows from a file: of rows behind the statement the engine takes an empty line for the end, and
 * what follows it for another statement.
 */
export function insertFromFile(load: Load, file: string): string {
  const { head, settings, format, input } = load;
  if (input === undefined) return `${head} FROM INFILE ${quoteText(file)} ${settings} FORMAT ${format}`;
  const source = `file(${quoteText(file)}, ${quoteText(format)}, ${input.structure})`;
  return `${head.slice(0, input.start)}${source}${head.slice(input.end)} ${settings}`;
}

/**
 * The engine gives queries identifiers of its own. Ours travel in a setting that local tables never read, so that
 * `KILL QUERY WHERE query_id = …` and a look at `system.processes` find them.
 */
export const QUERY_ID_SETTING = "stream_like_engine_insert_queue";

/** Replaces `query_id` by ours in statements about running queries. */
export function withOurQueryIds(sql: string): string {
  const tokens = [...tokensOf(sql)];
  const isKill = tokens[0]?.upper === "KILL" && tokens[1]?.upper === "QUERY";
  const isAboutProcesses = tokens.some(
    (t, i) => t.upper === "PROCESSES" && tokens[i - 1]?.text === "." && tokens[i - 2]?.upper === "SYSTEM",
  );
  if (!isKill && !isAboutProcesses) return sql;
  return tokens
    .filter((t) => t.kind === "word" && t.text === "query_id")
    .toReversed()
    .reduce((text, t) => `${text.slice(0, t.start)}Settings['${QUERY_ID_SETTING}']${text.slice(t.end)}`, sql);
}

/** A literal of ClickHouse SQL. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\0", "\\0")}'`;
}

/** An identifier of ClickHouse SQL. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}
