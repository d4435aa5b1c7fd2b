import type { BadRow, RowsCheck } from "../definitions/check.ts";
import type { Sql, TableRef } from "../definitions/sql.ts";
import type { CheckedRows, CheckSyntax } from "./check_rules.ts";
import { renderSql } from "./render_sql.ts";
import type { CheckContext, Sample, TextReader } from "./store.ts";

/** Rows that a query of a check may return: they are held in memory. */
const MOST_ROWS = 100_000;

/**
 * Runs a check in TypeScript and returns the bad rows that it found.
 *
 * @throws whatever the function throws, and the error of a query of its, caught or not
 */
export async function runRowsCheck(
  { run, reads }: { readonly run: RowsCheck; readonly reads: readonly TableRef[] },
  reader: TextReader,
  syntax: CheckSyntax,
  rows: CheckedRows,
  { signal, log }: CheckContext,
): Promise<Sample> {
  const readable = new Set(reads.map(({ assetKey }) => assetKey));
  let isOver = false;
  const faults: unknown[] = [];
  const ask = async (query: Sql): Promise<readonly Readonly<Record<string, string | null>>[]> => {
    if (isOver) throw new TypeError("a check asked for rows after its function had returned");
    requireReadable(query, readable);
    const { text, parameters } = renderSql(query, syntax.dialect({ self: rows.relation, window: null }));
    // As a part of a query it can be nothing but a query.
    const found = await reader.text(prefixed(rows, syntax.sample({ text, parameters }, MOST_ROWS + 1)));
    if (found.rows.length > MOST_ROWS) throw new RangeError(`a query of a check returned more than ${MOST_ROWS} rows`);
    return found.rows.map((row) => Object.fromEntries(found.columns.map((name, index) => [name, row[index] ?? null])));
  };
  // One after the other: they share a connection, and perhaps its transaction.
  let last: Promise<unknown> = Promise.resolve();
  const query = (asked: Sql): ReturnType<typeof ask> => {
    const answer = last.then(() => {
      if (faults.length > 0) throw faults[0];
      return ask(asked);
    });
    last = answer.catch((error: unknown) => {
      faults.push(error);
    });
    return answer;
  };
  let bad: readonly BadRow[];
  try {
    bad = await run({ query, signal, log });
  } finally {
    await last;
    isOver = true;
  }
  signal.throwIfAborted();
  if (faults.length > 0) throw faults[0];
  if (!Array.isArray(bad)) throw new TypeError(`expected the bad rows as an array, got ${typeof bad}`);
  return toSample(bad);
}

/** The query with the relation that it reads in front of it, where that is made by a WITH. */
export function prefixed<S extends { readonly text: string }>({ with: prefix = "" }: CheckedRows, statement: S): S {
  return prefix === "" ? statement : { ...statement, text: prefix + statement.text };
}

function requireReadable({ values }: Sql, readable: ReadonlySet<string>): void {
  for (const value of values) {
    if (typeof value !== "object" || value === null || value instanceof Date) continue;
    if (value.kind === "sql") requireReadable(value, readable);
    if ((value.kind === "table" || value.kind === "column") && !readable.has(value.assetKey))
      throw new TypeError(`the check reads ${value.assetKey}, which is no declared reference: name it in reads`);
  }
}

function toSample(bad: readonly BadRow[]): Sample {
  const columns = [...new Set(bad.flatMap((row) => Object.keys(row)))];
  return { columns, rows: bad.map((row) => columns.map((name) => toText(row[name]))) };
}

function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part));
}
