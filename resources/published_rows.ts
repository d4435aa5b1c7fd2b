import type { CheckedRows, CheckSyntax } from "./check_rules.ts";
import { insideAll } from "./partition_set.ts";
import type { PartitionCondition, PartitionSet, Target } from "./store.ts";

/** A name that no other query has. */
const NAME = "_published_rows";

/** The published rows of a table, for checks: all of them, or those of some partitions. */
export function publishedRows(
  syntax: CheckSyntax,
  literal: (text: string) => string,
  { assetKey, columns, buckets }: Target,
  scope: PartitionSet | null,
): CheckedRows {
  const table = syntax.tableName(assetKey);
  if (scope === null) return { columns, relation: table };
  const relation = syntax.quote(NAME);
  const condition = insideAll(scope, (one) => inside(syntax, literal, columns, one));
  return {
    columns,
    relation,
    with: `WITH ${relation} AS (SELECT * FROM ${table} WHERE ${condition}) `,
    buckets,
  };
}

/** Values stand as literals: the text is a part of many statements. */
function inside(
  syntax: CheckSyntax,
  literal: (text: string) => string,
  columns: Target["columns"],
  one: PartitionCondition,
): string {
  const name = syntax.quote(one.column);
  if (one.kind === "keys")
    return one.keys.length === 0 ? "false" : `CAST(${name} AS text) IN (${one.keys.map(literal).join(", ")})`;
  const type = columns.find((column) => column.name === one.column)?.type ?? { kind: "timestamp" };
  const bound = (at: Date): string =>
    syntax.typed(literal(type.kind === "date" ? at.toISOString().slice(0, 10) : at.toISOString()), type);
  return `${name} >= ${bound(one.start)} AND ${name} < ${bound(one.end)}`;
}
