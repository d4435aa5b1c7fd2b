import type { Check } from "../../definitions/check.ts";
import type { Column } from "../../definitions/column_type.ts";
import type { Sql } from "../../definitions/sql.ts";
import { type Parameter, renderSql, type Statement } from "../render_sql.ts";
import type { CheckOutcome, Sample } from "../store.ts";
import type { Client } from "./client.ts";
import { duckdbDialect } from "./dialect.ts";
import { literal, quote, tableName } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** Failing rows shown in a check's metadata. */
const SAMPLE_ROWS = 5;

/** The rows that a check looks at. */
export interface CheckedRows {
  readonly columns: readonly Column[];
  /** Quoted name of the relation. */
  readonly relation: string;
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
export async function runChecks(client: Client, rows: CheckedRows, checks: readonly Check[]): Promise<CheckOutcome[]> {
  const perRow = checks.flatMap((check) => {
    const bad = badRow(check, rows.columns);
    return bad === undefined ? [] : [{ check, bad }];
  });
  const pass = await client.text(
    bound(
      (bind) =>
        `SELECT ${["count(*)", ...perRow.map(({ bad }) => `count(*) FILTER (WHERE ${bad(bind)})`)].join(", ")} FROM ${rows.relation}`,
    ),
  );
  const [total, ...failed] = (pass.rows[0] ?? []).map((value) => BigInt(value ?? 0));
  const checkedRows = total ?? 0n;

  const outcomes = new Map<Check, CheckOutcome>();
  for (const [index, { check, bad }] of perRow.entries()) {
    const failedRows = failed[index] ?? 0n;
    const statement = bound((bind) => `SELECT * FROM ${rows.relation} WHERE ${bad(bind)}`);
    const sample = failedRows === 0n ? null : await sampleOf(client, statement);
    outcomes.set(check, { check, passed: failedRows === 0n, failedRows, checkedRows, sample });
  }
  for (const check of checks) {
    if (outcomes.has(check)) continue;
    if (check.rule.kind === "row_count") {
      const { min, max } = check.rule;
      const passed = (min === null || checkedRows >= BigInt(min)) && (max === null || checkedRows <= BigInt(max));
      outcomes.set(check, { check, passed, failedRows: passed ? 0n : 1n, checkedRows, sample: null });
      continue;
    }
    const bad = badRelation(check, rows);
    const [row] = (
      await client.text({ text: `SELECT count(*) FROM (${bad.text}\n) AS bad`, parameters: bad.parameters })
    ).rows;
    const failedRows = BigInt(row?.[0] ?? 0);
    outcomes.set(check, {
      check,
      passed: failedRows === 0n,
      failedRows,
      checkedRows,
      sample: failedRows === 0n ? null : await sampleOf(client, bad),
    });
  }
  return checks.map((check) => outcomes.get(check) as CheckOutcome);
}

/** The first rows of a query, as the engine writes them as text: the driver writes times in the zone of its process. */
export async function sampleOf(client: Client, { text, parameters }: Statement): Promise<Sample> {
  const rows = `SELECT * FROM (${text}\n) AS bad LIMIT ${SAMPLE_ROWS}`;
  return await client.text({ text: `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (${rows}) AS sample`, parameters });
}

/** The query of the bad rows of a check that is more than a condition on one row. */
export function badRelation({ rule, columns }: Check, rows: CheckedRows): Statement {
  const names = columns.map(quote);
  switch (rule.kind) {
    case "unique":
      return {
        text: `SELECT ${names.join(", ")}, count(*) AS "rows" FROM ${rows.relation} AS staged
          WHERE ${names.map((name) => `${name} IS NOT NULL`).join(" AND ")}
          GROUP BY ${names.join(", ")} HAVING count(*) > 1`,
        parameters: [],
      };
    case "references": {
      const [name = ""] = names;
      return {
        text: `SELECT * FROM ${rows.relation} AS staged WHERE staged.${name} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM ${tableName(rule.to.assetKey)} AS target WHERE target.${quote(rule.column)} = staged.${name})`,
        parameters: [],
      };
    }
    case "sql":
      return renderSql(rule.bad, duckdbDialect({ self: rows.relation, window: null }));
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
function bound(build: (bind: Bind) => string): Statement {
  const parameters: Parameter[] = [];
  const text = build((value) => `$${parameters.push(value)}`);
  return { text, parameters };
}

/** The condition that holds for a bad row; `undefined` for rules about more than one row. */
function badRow({ rule, columns: names }: Check, columns: readonly Column[]): ((bind: Bind) => string) | undefined {
  const column = columns.find(({ name }) => name === names[0]);
  const name = quote(names[0] ?? "");
  const type = column === undefined ? "VARCHAR" : columnTypeName(column.type);
  switch (rule.kind) {
    case "not_null":
      return () => `(${names.map((one) => `${quote(one)} IS NULL`).join(" OR ")})`;
    case "between":
      return (bind) =>
        [
          rule.min === null ? [] : [`${name} < CAST(${bind(String(rule.min))} AS ${type})`],
          rule.max === null ? [] : [`${name} > CAST(${bind(String(rule.max))} AS ${type})`],
          // For DuckDB, NaN is above every number.
          column?.type.kind === "float64" ? [`isnan(${name})`] : [],
        ]
          .flat()
          .join(" OR ");
    case "accepted_values":
      return (bind) =>
        `${name} NOT IN (${rule.values.map((value) => `CAST(${bind(String(value))} AS ${type})`).join(", ")})`;
    case "matches":
      // The pattern must be a constant for DuckDB to compile it once, so it stands as a literal.
      return () => `NOT regexp_full_match(CAST(${name} AS VARCHAR), ${literal(rule.pattern)})`;
    case "unique":
    case "references":
    case "row_count":
    case "sql":
      return undefined;
  }
}
