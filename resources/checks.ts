import type { Check } from "../definitions/check.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type { Sql } from "../definitions/sql.ts";
import {
  aggregate,
  type Bind,
  bound,
  BUCKET,
  bucketOf,
  type CheckedRows,
  checkQuery,
  type CheckSyntax,
  rowCondition,
} from "./check_rules.ts";
import { areApart, judge } from "./store_checks.ts";
import type { Statement } from "./render_sql.ts";
import { prefixed, runRowsCheck } from "./rows_check.ts";
import { Tally } from "./tally.ts";
import type { BucketCounts, CheckContext, CheckOutcome, Sample, TextReader } from "./store.ts";

/** Failing rows shown in a check's metadata. */
const SAMPLE_ROWS = 5;
/** Aggregates in one pass over the rows; below the number of columns that any store returns. */
const AGGREGATES_PER_PASS = 500;

/** Whether the check reads other tables than the staged one. */
export function readsOtherTables({ rule }: Check): boolean {
  if (rule.kind === "typescript") return rule.reads.length > 0;
  return rule.kind === "references" || rule.kind === "same_sum" || (rule.kind === "sql" && readsTables(rule.bad));
}

function readsTables({ values }: Sql): boolean {
  return values.some(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      "kind" in value &&
      (value.kind === "table" || (value.kind === "sql" && readsTables(value))),
  );
}

/** The context of checks that are held against nothing but the rows. */
export function contextOf(change: Partial<CheckContext> = {}): CheckContext {
  const nothing = (): void => undefined;
  return {
    now: new Date(),
    window: null,
    history: [],
    signal: new AbortController().signal,
    log: { debug: nothing, info: nothing, warning: nothing, error: nothing },
    ...change,
  };
}

/**
 * Runs the checks: all that one row or one aggregate answers in a single pass over the rows, the others in one query each,
 * those that people wrote last. A check that fails with an error is a failed check.
 *
 * @throws when the store cannot be asked any more, or the run was ended
 */
export async function runChecks(
  reader: TextReader,
  syntax: CheckSyntax,
  rows: CheckedRows,
  checks: readonly Check[],
  context: CheckContext = contextOf(),
): Promise<CheckOutcome[]> {
  const run = new CheckRun(reader, syntax, rows, context);
  const outcomes = await run.inOnePass(checks);
  const others = checks.filter((check) => !outcomes.has(check));
  const isOwn = ({ rule: { kind } }: Check): boolean => kind === "sql" || kind === "typescript";
  for (const check of [...others.filter((one) => !isOwn(one)), ...others.filter(isOwn)])
    outcomes.set(check, await run.alone(check));
  return checks.map((check) => outcomes.get(check) as CheckOutcome);
}

/** Checks on one relation. */
class CheckRun {
  readonly #reader: TextReader;
  readonly #syntax: CheckSyntax;
  readonly #rows: CheckedRows;
  readonly #context: CheckContext;
  readonly #bucket: string;
  /** All rows that were looked at. */
  #checked = new Tally();

  constructor(reader: TextReader, syntax: CheckSyntax, rows: CheckedRows, context: CheckContext) {
    this.#reader = reader;
    this.#syntax = syntax;
    this.#rows = rows;
    this.#context = context;
    this.#bucket = bucketOf(syntax, rows);
  }

  /** The outcomes of the checks that aggregates answer; counts the rows for the others. */
  async inOnePass(checks: readonly Check[]): Promise<Map<Check, CheckOutcome>> {
    const asked = checks.flatMap((check) => {
      const expression = aggregate(this.#syntax, check, this.#rows.columns, this.#context);
      return expression === undefined ? [] : [{ check, expression }];
    });
    const found = new Map<Check, Tally | string>();
    if (checks.length === 0) return new Map();
    for (let start = 0; start === 0 || start < asked.length; start += AGGREGATES_PER_PASS) {
      const page = asked.slice(start, start + AGGREGATES_PER_PASS);
      const pass = await this.#attempt(() => this.#pass(page));
      if (typeof pass !== "string") {
        if (start === 0) this.#checked = pass.checked;
        for (const [index, { check }] of page.entries()) found.set(check, pass.found[index] ?? new Tally());
        continue;
      }
      // Which of them it is: one at a time.
      for (const one of page) {
        const single = await this.#attempt(() => this.#pass([one]));
        found.set(one.check, typeof single === "string" ? single : (single.found[0] ?? new Tally()));
      }
      if (start > 0) continue;
      const rows = await this.#attempt(() => this.#pass([]));
      if (typeof rows !== "string") this.#checked = rows.checked;
    }
    const outcomes = new Map<Check, CheckOutcome>();
    for (const [check, tally] of found) {
      if (typeof tally === "string") outcomes.set(check, this.#broken(check, tally));
      else outcomes.set(check, await this.#outcome(check, tally, this.#badRows(check)));
    }
    return outcomes;
  }

  /** The outcome of a check with a query of its own. */
  async alone(check: Check): Promise<CheckOutcome> {
    const { rule } = check;
    if (rule.kind === "same_sum") return await this.#sums(check, rule);
    if (rule.kind === "typescript") {
      const bad = await this.#attempt(() => runRowsCheck(rule, this.#reader, this.#syntax, this.#rows, this.#context));
      if (typeof bad === "string") return this.#broken(check, bad);
      const tally = new Tally();
      tally.add("", { failedRows: BigInt(bad.rows.length) });
      return await this.#outcome(check, tally, undefined, bad);
    }
    // A row of a custom query belongs to no bucket.
    const isBucketed = this.#bucket !== "" && rule.kind !== "sql";
    const where = rule.kind === "unique" ? BUCKET : this.#bucket;
    const tally = await this.#attempt(async () => {
      const bad = this.#query(check);
      const counted = await this.#text({
        text: isBucketed
          ? `SELECT ${where}, count(*) FROM (${bad.text}\n) AS bad GROUP BY ${where}`
          : `SELECT '', count(*) FROM (${bad.text}\n) AS bad`,
        parameters: bad.parameters,
      });
      const counts = new Tally();
      for (const [name, count] of counted.rows) counts.add(name, { failedRows: BigInt(count ?? 0) });
      return counts;
    });
    if (typeof tally === "string") return this.#broken(check, tally);
    return await this.#outcome(check, tally, () => this.#query(check), undefined, isBucketed);
  }

  async #sums(check: Check, { tolerance }: { readonly tolerance: number | string }): Promise<CheckOutcome> {
    const found = await this.#attempt(() => this.#text(this.#query(check)));
    if (typeof found === "string") return this.#broken(check, found);
    const [here = null, there = null] = found.rows[0] ?? [];
    const failedRows = areApart(here, there, tolerance) ? 1n : 0n;
    const counts = { failedRows, checkedRows: this.#checked.total.rows, newest: null };
    const measured = `${here ?? "no values"} here, ${there ?? "no values"} there`;
    const passed = failedRows === 0n;
    return { check, ...counts, passed, measured, counts, error: null, sample: null, kept: null, buckets: null };
  }

  /** One pass over the rows. */
  async #pass(
    asked: readonly { readonly check: Check; readonly expression: (bind: Bind) => string }[],
  ): Promise<{ readonly checked: Tally; readonly found: readonly Tally[] }> {
    const bucket = this.#bucket;
    const { rows } = await this.#text(
      bound(this.#syntax, (bind) => {
        const columns = [bucket === "" ? "''" : bucket, "count(*)", ...asked.map(({ expression }) => expression(bind))];
        const groupBy = bucket === "" ? "" : ` GROUP BY ${bucket}`;
        return `SELECT ${columns.join(", ")} FROM ${this.#rows.relation}${groupBy}`;
      }),
    );
    const checked = new Tally();
    const found = asked.map(() => new Tally());
    for (const [name, total, ...values] of rows) {
      checked.add(name, { rows: BigInt(total ?? 0) });
      for (const [index, { check }] of asked.entries()) {
        const value = values[index] ?? null;
        const isInstant = check.rule.kind === "recent";
        if (isInstant) found[index]?.add(name, { newest: value === null ? null : Number(value) });
        else found[index]?.add(name, { failedRows: BigInt(value ?? 0) });
      }
    }
    return { checked, found };
  }

  /** The verdict, with some of the bad rows. */
  async #outcome(
    check: Check,
    tally: Tally,
    badRows: (() => Statement) | undefined,
    given?: Sample,
    isBucketed = this.#bucket !== "" && check.rule.kind !== "typescript",
  ): Promise<CheckOutcome> {
    const counts: BucketCounts = {
      failedRows: tally.total.failedRows,
      checkedRows: this.#checked.total.rows,
      newest: tally.total.newest,
    };
    const { now, history } = this.#context;
    const verdict = judge(check, counts, { asOf: now, history });
    const limit = Math.max(SAMPLE_ROWS, check.keptRows);
    let sample = given ?? null;
    if (sample === null && badRows !== undefined && verdict.failedRows > 0n) {
      const rows = await this.#attempt(() => this.#text(this.#syntax.sample(badRows(), limit)));
      // The verdict stands without them.
      if (typeof rows !== "string") sample = rows;
    }
    return {
      check,
      ...verdict,
      checkedRows: counts.checkedRows,
      counts,
      error: null,
      sample: sample === null || sample.rows.length === 0 ? null : firstRows(sample, SAMPLE_ROWS),
      kept: sample === null || check.keptRows === 0 ? null : firstRows(sample, check.keptRows),
      buckets: isBucketed ? tally.beside(this.#checked) : null,
    };
  }

  /** A check that could not be run has failed. */
  #broken(check: Check, error: string): CheckOutcome {
    const counts = { failedRows: 0n, checkedRows: this.#checked.total.rows, newest: null };
    return {
      check,
      passed: false,
      ...counts,
      measured: null,
      counts,
      error,
      sample: null,
      kept: null,
      buckets: null,
    };
  }

  #badRows(check: Check): (() => Statement) | undefined {
    const condition = rowCondition(this.#syntax, check, this.#rows.columns);
    if (condition === undefined || check.rule.kind === "null_rate_drift") return undefined;
    return () => bound(this.#syntax, (bind) => `SELECT * FROM ${this.#rows.relation} WHERE ${condition(bind)}`);
  }

  #query(check: Check): Statement {
    return checkQuery(this.#syntax, check, this.#rows, this.#context);
  }

  async #text(statement: Statement): Promise<Sample> {
    return await this.#reader.text(prefixed(this.#rows, statement));
  }

  /** What `act` returns, or why it failed. */
  async #attempt<T extends object>(act: () => Promise<T>): Promise<T | string> {
    try {
      return await (this.#reader.guard === undefined ? act() : this.#reader.guard(act));
    } catch (error) {
      this.#context.signal.throwIfAborted();
      // Such as a lost connection, which says nothing about the rows.
      if (error instanceof ProjectError && error.retryable) throw error;
      return error instanceof Error ? error.message : String(error);
    }
  }
}

function firstRows({ columns, rows }: Sample, limit: number): Sample {
  return { columns, rows: rows.slice(0, limit) };
}

/** The first rows of a query, as the engine writes them as text: a driver may write times in the zone of its process. */
export async function sampleOf(
  reader: Pick<TextReader, "text">,
  syntax: CheckSyntax,
  query: Statement,
): Promise<Sample> {
  return await reader.text(syntax.sample(query, SAMPLE_ROWS));
}
