import type { Check } from "../../definitions/check.ts";
import type { Column } from "../../definitions/column_type.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import { BUCKET, bucketOf, Tally } from "../checks.ts";
import type { Buckets, CheckOutcome } from "../store.ts";
import type { Client } from "./client.ts";
import { type Bind, bound, clickhouseDialect } from "./dialect.ts";
import { BUCKET_SYNTAX, sampleOf } from "./inspect.ts";
import { literal, quote, tableName } from "./quote.ts";
import { columnTypeName } from "./type_names.ts";

/** The rows that a check looks at. */
export interface CheckedRows {
  readonly columns: readonly Column[];
  /** Quoted name of the relation. */
  readonly relation: string;
  /** The quoted name of another asset's table. */
  readonly table?: (assetKey: string) => string;
  /** How the counts are kept apart; `undefined`: not at all. */
  readonly buckets?: Buckets | undefined;
}

/** Runs the checks: all that look at one row at a time in a single pass, the others in one query each. */
export async function runChecks(client: Client, rows: CheckedRows, checks: readonly Check[]): Promise<CheckOutcome[]> {
  const perRow = checks.flatMap((check) => {
    const bad = badRow(check, rows.columns);
    return bad === undefined ? [] : [{ check, bad }];
  });
  const bucket = bucketOf(BUCKET_SYNTAX, rows);
  const groupBy = bucket === "" ? "" : ` GROUP BY ${bucket}`;
  const pass = await client.text(
    bound((bind) => {
      const counts = perRow.map(({ bad }) => `countIf(${bad(bind)})`);
      return `SELECT ${[bucket === "" ? "''" : bucket, "count()", ...counts].join(", ")} FROM ${rows.relation}${groupBy}`;
    }),
  );
  const checked = new Tally();
  const failed = perRow.map(() => new Tally());
  for (const [name, total, ...counts] of pass.rows) {
    checked.add(name, total);
    for (const [index, count] of counts.entries()) failed[index]?.add(name, count);
  }
  const checkedRows = checked.total;
  const bucketsOf = (tally: Tally): CheckOutcome["buckets"] => (bucket === "" ? null : tally.beside(checked));

  const outcomes = new Map<Check, CheckOutcome>();
  for (const [index, { check, bad }] of perRow.entries()) {
    const tally = failed[index] ?? new Tally();
    const failedRows = tally.total;
    const statement = bound((bind) => `SELECT * FROM ${rows.relation} WHERE ${bad(bind)}`);
    const sample = failedRows === 0n ? null : await sampleOf(client, statement);
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
    const bad = badRelation(check, rows);
    // A row of a custom query belongs to no bucket.
    const isBucketed = bucket !== "" && check.rule.kind !== "sql";
    const where = check.rule.kind === "unique" ? BUCKET : bucket;
    const counted = await client.text({
      text: isBucketed
        ? `SELECT ${where}, count() FROM (${bad.text}\n) AS bad GROUP BY ${where}`
        : `SELECT '', count() FROM (${bad.text}\n) AS bad`,
      parameters: bad.parameters,
    });
    const tally = new Tally();
    for (const [name, count] of counted.rows) tally.add(name, count);
    const failedRows = tally.total;
    const sample = failedRows === 0n ? null : await sampleOf(client, bad);
    const buckets = isBucketed ? bucketsOf(tally) : null;
    outcomes.set(check, { check, passed: failedRows === 0n, failedRows, checkedRows, sample, buckets });
  }
  return checks.map((check) => outcomes.get(check) as CheckOutcome);
}

/** The query of the bad rows of a check that is more than a condition on one row. */
export function badRelation({ rule, columns }: Check, rows: CheckedRows): Statement {
  const names = columns.map(quote);
  const table = rows.table ?? tableName;
  switch (rule.kind) {
    case "unique": {
      const bucket = bucketOf(BUCKET_SYNTAX, rows);
      const inBucket = bucket === "" ? "" : `, min(${bucket}) AS ${BUCKET}`;
      return {
        text: `SELECT ${names.join(", ")}, count() AS \`rows\`${inBucket} FROM ${rows.relation} AS staged
          WHERE ${names.map((name) => `${name} IS NOT NULL`).join(" AND ")}
          GROUP BY ${names.join(", ")} HAVING count() > 1`,
        parameters: [],
      };
    }
    case "references": {
      const [name = ""] = names;
      return {
        text: `SELECT * FROM ${rows.relation} AS staged WHERE staged.${name} IS NOT NULL
          AND staged.${name} NOT IN (SELECT ${quote(rule.column)} FROM ${table(rule.to.assetKey)} WHERE ${quote(rule.column)} IS NOT NULL)`,
        parameters: [],
      };
    }
    case "sql":
      return renderSql(rule.bad, { ...clickhouseDialect({ self: rows.relation, window: null }), table });
    case "not_null":
    case "between":
    case "accepted_values":
    case "matches":
    case "row_count":
      throw new TypeError(`${rule.kind} is a condition on one row`);
  }
}

/** The condition that holds for a bad row; `undefined` for rules about more than one row. */
function badRow({ rule, columns: names }: Check, columns: readonly Column[]): ((bind: Bind) => string) | undefined {
  const column = columns.find(({ name }) => name === names[0]);
  const name = quote(names[0] ?? "");
  const type = column === undefined ? "String" : columnTypeName(column.type);
  const cast = (bind: Bind, value: unknown): string => `CAST(${bind(String(value))} AS ${type})`;
  switch (rule.kind) {
    case "not_null":
      return () => `(${names.map((one) => `${quote(one)} IS NULL`).join(" OR ")})`;
    case "between":
      return (bind) =>
        [
          rule.min === null ? [] : [`${name} < ${cast(bind, rule.min)}`],
          rule.max === null ? [] : [`${name} > ${cast(bind, rule.max)}`],
          // NaN is neither below nor above anything.
          column?.type.kind === "float64" ? [`isNaN(${name})`] : [],
        ]
          .flat()
          .join(" OR ");
    case "accepted_values":
      return (bind) => `${name} NOT IN (${rule.values.map((value) => cast(bind, value)).join(", ")})`;
    case "matches":
      // As everywhere else, a dot is no line end; \z is the end of the text, not of a line.
      return () => `NOT match(toString(${name}), ${literal(`(?-s)\\A(?:${rule.pattern})\\z`)})`;
    case "unique":
    case "references":
    case "row_count":
    case "sql":
      return undefined;
  }
}
