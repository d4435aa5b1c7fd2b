import type { Check } from "../definitions/check.ts";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import type { Sql } from "../definitions/sql.ts";
import { type Dialect, type Parameter, renderSql, type Statement } from "./render_sql.ts";
import type { BucketCounts, Bucketing, Buckets, CheckOutcome, Sample } from "./store.ts";

/** Failing rows shown in a check's metadata. */
const SAMPLE_ROWS = 5;
/** Conditions in one pass over the rows; below the number of columns that any store returns. */
const CONDITIONS_PER_PASS = 500;

/** How a store writes the rules of checks. */
export interface CheckSyntax {
  readonly quote: (name: string) => string;
  readonly tableName: (assetKey: string) => string;
  readonly dialect: (context: Pick<Dialect, "self" | "window">) => Dialect;
  /** A bound text as a value that a column of the type can be compared with. */
  readonly typed: (placeholder: string, type: ColumnType) => string;
  /** A quoted column, where its order or its equality counts. */
  readonly compared: (name: string, type: ColumnType) => string;
  readonly isNaN: (name: string) => string;
  /** Whether the whole text of a column matches a pattern. */
  readonly fullMatch: (name: string, pattern: string) => string;
  /** Seconds since 1970, of a timestamp or of the midnight in UTC at which a day begins. */
  readonly epoch: (name: string, type: ColumnType) => string;
  /** The first rows of a query, as the store writes them as text. */
  readonly sample: (query: Statement, limit: number) => Statement;
}

/** Runs a query and returns all of its rows; values as text. */
export interface TextReader {
  text(statement: Statement): Promise<Sample>;
}

/** The rows that a check looks at. */
export interface CheckedRows {
  readonly columns: readonly Column[];
  /** Quoted name of the relation. */
  readonly relation: string;
  /** How the counts are kept apart; `undefined`: not at all. */
  readonly buckets?: Buckets | undefined;
}

/** Whether the check reads other tables than the staged one. */
export function readsOtherTables({ rule }: Check): boolean {
  return rule.kind === "references" || (rule.kind === "sql" && readsTables(rule.bad));
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

/** Runs the checks: all that look at one row at a time in a single pass, the others in one query each. */
export async function runChecks(
  reader: TextReader,
  syntax: CheckSyntax,
  rows: CheckedRows,
  checks: readonly Check[],
): Promise<CheckOutcome[]> {
  const perRow = checks.flatMap((check) => {
    const bad = badRow(syntax, check, rows.columns);
    return bad === undefined ? [] : [{ check, bad }];
  });
  const bucket = bucketOf(syntax, rows);
  const groupBy = bucket === "" ? "" : ` GROUP BY ${bucket}`;
  const checked = new Tally();
  const failed = perRow.map(() => new Tally());
  for (let start = 0; start === 0 || start < perRow.length; start += CONDITIONS_PER_PASS) {
    const conditions = perRow.slice(start, start + CONDITIONS_PER_PASS);
    const pass = await reader.text(
      bound(syntax, (bind) => {
        const counts = conditions.map(({ bad }) => `count(*) FILTER (WHERE ${bad(bind)})`);
        return `SELECT ${[...(bucket === "" ? [] : [bucket]), "count(*)", ...counts].join(", ")} FROM ${rows.relation}${groupBy}`;
      }),
    );
    for (const row of pass.rows) {
      const [name, total, ...counts] = bucket === "" ? ["", ...row] : row;
      if (start === 0) checked.add(name, total);
      for (const [index, count] of counts.entries()) failed[start + index]?.add(name, count);
    }
  }
  const checkedRows = checked.total;
  const bucketsOf = (tally: Tally): CheckOutcome["buckets"] => (bucket === "" ? null : tally.beside(checked));

  const outcomes = new Map<Check, CheckOutcome>();
  for (const [index, { check, bad }] of perRow.entries()) {
    const tally = failed[index] ?? new Tally();
    const failedRows = tally.total;
    const statement = bound(syntax, (bind) => `SELECT * FROM ${rows.relation} WHERE ${bad(bind)}`);
    const sample = failedRows === 0n ? null : await sampleOf(reader, syntax, statement);
    outcomes.set(check, {
      check,
      passed: failedRows === 0n,
      failedRows,
      checkedRows,
      sample,
      buckets: bucketsOf(tally),
    });
  }
  for (const check of checks) {
    if (outcomes.has(check)) continue;
    if (check.rule.kind === "row_count") {
      const { min, max } = check.rule;
      const passed = (min === null || checkedRows >= BigInt(min)) && (max === null || checkedRows <= BigInt(max));
      const failedRows = passed ? 0n : 1n;
      outcomes.set(check, { check, passed, failedRows, checkedRows, sample: null, buckets: bucketsOf(new Tally()) });
      continue;
    }
    const bad = badRelation(syntax, check, rows);
    // A row of a custom query belongs to no bucket.
    const isBucketed = bucket !== "" && check.rule.kind !== "sql";
    const where = check.rule.kind === "unique" ? BUCKET : bucket;
    const counted = await reader.text({
      text: isBucketed
        ? `SELECT ${where}, count(*) FROM (${bad.text}\n) AS bad GROUP BY ${where}`
        : `SELECT '', count(*) FROM (${bad.text}\n) AS bad`,
      parameters: bad.parameters,
    });
    const tally = new Tally();
    for (const [name, count] of counted.rows) tally.add(name, count);
    const failedRows = tally.total;
    outcomes.set(check, {
      check,
      passed: failedRows === 0n,
      failedRows,
      checkedRows,
      sample: failedRows === 0n ? null : await sampleOf(reader, syntax, bad),
      buckets: isBucketed ? bucketsOf(tally) : null,
    });
  }
  return checks.map((check) => outcomes.get(check) as CheckOutcome);
}

/** Names a bucket beside the columns of a key. */
export const BUCKET = "_bucket";

/** Counts by bucket. */
export class Tally {
  readonly #counts = new Map<string, bigint>();
  total = 0n;

  add(bucket: string | null | undefined, count: string | null | undefined): void {
    const name = bucket ?? "";
    const value = BigInt(count ?? 0);
    this.#counts.set(name, (this.#counts.get(name) ?? 0n) + value);
    this.total += value;
  }

  /** These counts as those of failed rows, of the rows that were looked at. */
  beside(checked: Tally): ReadonlyMap<string, BucketCounts> {
    const buckets = [...checked.#counts].map(([name, checkedRows]): [string, BucketCounts] => [
      name,
      { failedRows: this.#counts.get(name) ?? 0n, checkedRows },
    ]);
    return new Map(buckets);
  }
}

/** The bucket of a row, as text or number; empty without buckets. */
export function bucketOf(
  syntax: Pick<CheckSyntax, "quote" | "epoch">,
  { columns, buckets }: Pick<CheckedRows, "columns" | "buckets">,
): string {
  if (buckets === undefined) return "";
  if (buckets.kind !== "both") return bucketBy(syntax, columns, buckets);
  return buckets.bucketings.map((one) => `CAST(${bucketBy(syntax, columns, one)} AS text)`).join(" || '|' || ");
}

function bucketBy(
  { quote, epoch }: Pick<CheckSyntax, "quote" | "epoch">,
  columns: readonly Column[],
  by: Bucketing,
): string {
  if (by.kind === "value") return `CAST(${quote(by.column)} AS text)`;
  const type = columns.find(({ name }) => name === by.column)?.type ?? { kind: "timestamp" };
  return `CAST(floor((${epoch(quote(by.column), type)} - ${by.origin.getTime() / 1000}) / ${by.seconds}) AS bigint)`;
}

/** The first rows of a query, as the engine writes them as text: a driver may write times in the zone of its process. */
export async function sampleOf(reader: TextReader, syntax: CheckSyntax, query: Statement): Promise<Sample> {
  return await reader.text(syntax.sample(query, SAMPLE_ROWS));
}

/** The query of the bad rows of a check that is more than a condition on one row. */
export function badRelation(syntax: CheckSyntax, { rule, columns }: Check, rows: CheckedRows): Statement {
  const names = columns.map(syntax.quote);
  switch (rule.kind) {
    case "unique": {
      const keys = columns.map((column) => {
        const type = rows.columns.find(({ name }) => name === column)?.type ?? { kind: "string" };
        return syntax.compared(syntax.quote(column), type);
      });
      const bucket = bucketOf(syntax, rows);
      const inBucket = bucket === "" ? "" : `, min(${bucket}) AS ${BUCKET}`;
      return {
        text: `SELECT ${keys.map((key, index) => `${key} AS ${names[index] ?? ""}`).join(", ")}, count(*) AS "rows"${inBucket} FROM ${rows.relation} AS staged
          WHERE ${names.map((name) => `${name} IS NOT NULL`).join(" AND ")}
          GROUP BY ${keys.join(", ")} HAVING count(*) > 1`,
        parameters: [],
      };
    }
    case "references": {
      const [name = ""] = names;
      return {
        text: `SELECT * FROM ${rows.relation} AS staged WHERE staged.${name} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM ${syntax.tableName(rule.to.assetKey)} AS target WHERE target.${syntax.quote(rule.column)} = staged.${name})`,
        parameters: [],
      };
    }
    case "sql":
      return renderSql(rule.bad, syntax.dialect({ self: rows.relation, window: null }));
    case "not_null":
    case "between":
    case "accepted_values":
    case "matches":
    case "row_count":
      throw new TypeError(`${rule.kind} is a condition on one row`);
  }
}

/** Adds a parameter and returns its placeholder. */
type Bind = (value: Parameter) => string;

/** Builds a statement together with its parameters. */
function bound(syntax: CheckSyntax, build: (bind: Bind) => string): Statement {
  const { parameter } = syntax.dialect({ self: null, window: null });
  const parameters: Parameter[] = [];
  const text = build((value) => parameter(parameters.push(value), value));
  return { text, parameters };
}

/** The condition that holds for a bad row; `undefined` for rules about more than one row. */
function badRow(
  syntax: CheckSyntax,
  { rule, columns: names }: Check,
  columns: readonly Column[],
): ((bind: Bind) => string) | undefined {
  const type = columns.find(({ name }) => name === names[0])?.type ?? { kind: "string" };
  const name = syntax.quote(names[0] ?? "");
  const compared = syntax.compared(name, type);
  switch (rule.kind) {
    case "not_null":
      return () => `(${names.map((one) => `${syntax.quote(one)} IS NULL`).join(" OR ")})`;
    case "between":
      return (bind) =>
        [
          rule.min === null ? [] : [`${compared} < ${syntax.typed(bind(String(rule.min)), type)}`],
          rule.max === null ? [] : [`${compared} > ${syntax.typed(bind(String(rule.max)), type)}`],
          // In the order of most engines, NaN is above every number.
          type.kind === "float64" ? [syntax.isNaN(name)] : [],
        ]
          .flat()
          .join(" OR ");
    case "accepted_values":
      return (bind) =>
        `${compared} NOT IN (${rule.values.map((value) => syntax.typed(bind(String(value)), type)).join(", ")})`;
    case "matches":
      return () => `NOT ${syntax.fullMatch(name, rule.pattern)}`;
    case "unique":
    case "references":
    case "row_count":
    case "sql":
      return undefined;
  }
}
