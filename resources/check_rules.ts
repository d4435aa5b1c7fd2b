import type { Check } from "../definitions/check.ts";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import { type Dialect, type Parameter, renderSql, type Statement } from "./render_sql.ts";
import type { Bucketing, Buckets, CheckContext } from "./store.ts";

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
  /** The number of Unicode code points of a text. */
  readonly length: (name: string) => string;
  /** Seconds since 1970, of a timestamp or of the midnight in UTC at which a day begins. */
  readonly epoch: (name: string, type: ColumnType) => string;
  /** The number of rows of which a condition holds. */
  readonly countIf: (condition: string) => string;
  /** The greatest value of a column among the rows of which a condition holds; NULL without any. */
  readonly greatest: (name: string, condition: string) => string;
  /** A number, wide enough that a sum of many does not overflow. */
  readonly summand: (name: string, type: ColumnType | null) => string;
  /** The condition that no row of a table has the value of a column, which is not NULL. */
  readonly isMissing: (name: string, table: string, column: string) => string;
  /** The first rows of a query, as the store writes them as text. */
  readonly sample: (query: Statement, limit: number) => Statement;
}

/** The rows that a check looks at. */
export interface CheckedRows {
  readonly columns: readonly Column[];
  /** Quoted name of the relation. */
  readonly relation: string;
  /** `WITH … ` in front of every query, where the relation is made by it. */
  readonly with?: string | undefined;
  /** How the counts are kept apart; `undefined`: not at all. */
  readonly buckets?: Buckets | undefined;
}

/** Adds a parameter and returns its placeholder. */
export type Bind = (value: Parameter) => string;

/** Names a bucket beside the columns of a key. */
export const BUCKET = "_bucket";

/** A day is written as on its own clock: east of Greenwich it begins before it does in UTC. */
const LONGEST_OFFSET_MS = 14 * 3_600_000;

/** The number of rows of which a condition holds. DuckDB takes a third less time for it than for `FILTER`. */
export function countOf(condition: string): string {
  return `count(CASE WHEN ${condition} THEN 1 END)`;
}

/** The greatest value of a column among the rows of which a condition holds. */
export function greatestOf(name: string, condition: string): string {
  return `max(${name}) FILTER (WHERE ${condition})`;
}

/** The condition that no row of a table has the value of a column. */
export function notExists(name: string, table: string, column: string): string {
  return `NOT EXISTS (SELECT 1 FROM ${table} AS target WHERE target.${column} = ${name})`;
}

/** Builds a statement together with its parameters. */
export function bound(syntax: CheckSyntax, build: (bind: Bind) => string): Statement {
  const { parameter } = syntax.dialect({ self: null, window: null });
  const parameters: Parameter[] = [];
  const text = build((value) => parameter(parameters.push(value), value));
  return { text, parameters };
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
  const type = typeOf(columns, by.column) ?? { kind: "timestamp" };
  return `CAST(floor((${epoch(quote(by.column), type)} - ${by.origin.getTime() / 1000}) / ${by.seconds}) AS bigint)`;
}

/**
 * The condition of the rows that a check counts: the bad ones, or those with a NULL for a drift of NULLs. `undefined` for
 * rules about more than one row.
 */
export function rowCondition(
  syntax: CheckSyntax,
  { rule, columns: names }: Check,
  columns: readonly Column[],
): ((bind: Bind) => string) | undefined {
  const [first = ""] = names;
  const type = typeOf(columns, first) ?? { kind: "string" };
  const name = syntax.quote(first);
  const compared = syntax.compared(name, type);
  switch (rule.kind) {
    case "not_null":
      return () => `(${names.map((one) => `${syntax.quote(one)} IS NULL`).join(" OR ")})`;
    case "null_rate_drift":
      return () => `${name} IS NULL`;
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
    case "length":
      // Whole numbers, as the definition was checked.
      return () =>
        [
          rule.min === null ? [] : [`${syntax.length(name)} < ${BigInt(rule.min)}`],
          rule.max === null ? [] : [`${syntax.length(name)} > ${BigInt(rule.max)}`],
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
    case "row_count_drift":
    case "recent":
    case "same_sum":
    case "sql":
    case "typescript":
      return undefined;
  }
}

/**
 * What a check wants to know of all rows, as an aggregate, so that one pass over them answers many checks; `undefined` for
 * rules that need a query of their own.
 */
export function aggregate(
  syntax: CheckSyntax,
  check: Check,
  columns: readonly Column[],
  { now }: Pick<CheckContext, "now">,
): ((bind: Bind) => string) | undefined {
  if (check.rule.kind === "recent") {
    const [first = ""] = check.columns;
    const type = typeOf(columns, first) ?? { kind: "timestamp" };
    const name = syntax.quote(first);
    const latest = type.kind === "date" ? new Date(now.getTime() + LONGEST_OFFSET_MS) : now;
    const text = type.kind === "date" ? latest.toISOString().slice(0, 10) : latest.toISOString();
    return (bind) => syntax.epoch(syntax.greatest(name, `${name} <= ${syntax.typed(bind(text), type)}`), type);
  }
  // All that they need is the number of rows, which every pass counts.
  if (check.rule.kind === "row_count" || check.rule.kind === "row_count_drift") return () => "0";
  const condition = rowCondition(syntax, check, columns);
  return condition === undefined ? undefined : (bind) => syntax.countIf(condition(bind));
}

/** Whether the SQL of a check is proven with the manifest. */
export function isQuery({ rule: { kind } }: Check): boolean {
  return kind === "sql" || kind === "references" || kind === "same_sum";
}

/**
 * The query of a check that is more than an aggregate over the rows: of the bad rows, or for `same_sum` of the two sums.
 *
 * @param context.window For SQL that says it.
 */
export function checkQuery(
  syntax: CheckSyntax,
  { rule, columns }: Check,
  rows: CheckedRows,
  { window }: Pick<CheckContext, "window">,
): Statement {
  const names = columns.map(syntax.quote);
  const [name = ""] = names;
  const type = typeOf(rows.columns, columns[0] ?? "") ?? { kind: "string" };
  switch (rule.kind) {
    case "unique": {
      // Of the relation: their bare names may also mean what they are compared as.
      const own = names.map((one) => `staged.${one}`);
      const keys = columns.map((column, index) =>
        syntax.compared(own[index] ?? "", typeOf(rows.columns, column) ?? { kind: "string" }),
      );
      const bucket = bucketOf(syntax, rows);
      const inBucket = bucket === "" ? "" : `, min(${bucket}) AS ${BUCKET}`;
      return {
        text: `SELECT ${keys.map((key, index) => `${key} AS ${names[index] ?? ""}`).join(", ")}, count(*) AS "rows"${inBucket} FROM ${rows.relation} AS staged
          WHERE ${own.map((one) => `${one} IS NOT NULL`).join(" AND ")}
          GROUP BY ${keys.join(", ")} HAVING count(*) > 1`,
        parameters: [],
      };
    }
    case "references": {
      const missing = syntax.isMissing(`staged.${name}`, syntax.tableName(rule.to.assetKey), syntax.quote(rule.column));
      return {
        text: `SELECT * FROM ${rows.relation} AS staged WHERE staged.${name} IS NOT NULL AND ${missing}`,
        parameters: [],
      };
    }
    case "same_sum": {
      const sum = (column: string, of: ColumnType | null): string => `sum(${syntax.summand(column, of)})`;
      const where =
        rule.where === null
          ? { text: "", parameters: [] }
          : renderSql(rule.where, syntax.dialect({ self: rows.relation, window }));
      const source = `${syntax.tableName(rule.to.assetKey)}${where.text === "" ? "" : ` WHERE (${where.text}\n)`}`;
      return {
        text: `SELECT (SELECT ${sum(name, type)} FROM ${rows.relation}) AS here, (SELECT ${sum(syntax.quote(rule.column), rule.type)} FROM ${source}) AS there`,
        parameters: where.parameters,
      };
    }
    case "sql":
      return renderSql(rule.bad, syntax.dialect({ self: rows.relation, window }));
    case "not_null":
    case "null_rate_drift":
    case "between":
    case "length":
    case "accepted_values":
    case "matches":
    case "row_count":
    case "row_count_drift":
    case "recent":
    case "typescript":
      throw new TypeError(`${rule.kind} has no query of its own`);
  }
}

function typeOf(columns: readonly Column[], name: string): ColumnType | undefined {
  return columns.find((column) => column.name === name)?.type;
}
