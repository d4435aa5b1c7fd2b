import type { PostgresTable } from "../../definitions/storage.ts";
import { tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";

/** How a table is cut by time. */
export type Layout = NonNullable<PostgresTable["partitionBy"]>;

/** The partitions of a table that are there. `"foreign"`: somebody else's, of whatever kind. */
export type PresentLayout = Layout | "none" | "foreign";

/** The layout that an asset declares. */
export function declaredLayout({ storage }: Pick<Target, "storage">): Layout | undefined {
  return storage.postgres?.partitionBy;
}

/**
 * How a table is partitioned now, by the partitions of ours. Without any of them it is as declared; a table without
 * partitions at all that the asset does not declare is cut by months.
 */
export async function presentLayout(client: Client, target: Target, oid: string): Promise<PresentLayout> {
  const { rows } = await client.text(`
    SELECT partstrat, a.attname, partdefid, (
      SELECT jsonb_agg(DISTINCT substring(pg_catalog.obj_description(inhrelid, 'pg_class') FROM '^One (\\w+) of '))
      FROM pg_catalog.pg_inherits WHERE inhparent = ${oid})
    FROM pg_catalog.pg_partitioned_table
    LEFT JOIN pg_catalog.pg_attribute AS a ON attrelid = partrelid AND partnatts = 1 AND attnum = partattrs[0] AND attnum > 0
    WHERE partrelid = ${oid}`);
  const [row] = rows;
  if (row === undefined) return "none";
  const [strategy, column, byDefault, found] = row;
  const isTime = target.columns.some(
    ({ name, type }) => name === column && (type.kind === "timestamp" || type.kind === "date"),
  );
  if (strategy !== "r" || typeof column !== "string" || !isTime || byDefault !== "0") return "foreign";
  const marks = JSON.parse(found ?? "[]") as (string | null)[];
  const own = (["day", "week", "month", "year"] as const).filter((unit) => marks.includes(unit));
  const declared = declaredLayout(target);
  if (declared?.column === column && (own.length === 0 || own.includes(declared.every)))
    return { column, every: declared.every };
  if (own[0] !== undefined) return { column, every: own[0] };
  return marks.length === 0 ? { column, every: "month" } : "foreign";
}

/** What people should know of a layout that is not the declared one; `undefined`: it is. */
export function layoutNote({ assetKey, storage }: Target, present: PresentLayout, why: string): string | undefined {
  const declared = declaredLayout({ storage });
  const same =
    declared === undefined
      ? present === "none" || present === "foreign"
      : typeof present === "object" && present.column === declared.column && present.every === declared.every;
  if (same) return undefined;
  const wanted =
    declared === undefined ? "without partitions" : `partitioned by ${declared.every} of ${declared.column}`;
  return `${tableName(assetKey)} is not ${wanted}, as its asset says now: it is made anew by a replace (${why})`;
}
