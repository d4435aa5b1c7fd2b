import type { Column } from "../definitions/column_type.ts";
import type { Arrivals, ArrivalsQuery } from "../definitions/tick.ts";
import { bucketOf, type CheckSyntax } from "./check_rules.ts";
import { cursorText } from "./cursor.ts";
import type { Parameter } from "./render_sql.ts";
import type { TextReader } from "./store.ts";

/** How a store writes what {@link countArrivals} asks. */
export interface ArrivalsSyntax extends Pick<CheckSyntax, "quote" | "epoch" | "typed"> {
  readonly parameter: (index: number, value: Parameter) => string;
}

/**
 * Counts the rows of a table by stretches of their time, all in one query of the store.
 *
 * @param relation Quoted name of the table.
 */
export async function countArrivals(
  reader: TextReader,
  syntax: ArrivalsSyntax,
  relation: string,
  columns: readonly Column[],
  { time, arrived, seconds, from, lagMs, notAfter }: ArrivalsQuery,
): Promise<Arrivals> {
  const column = getColumn(columns, arrived);
  const isDay = getColumn(columns, time).type.kind === "date";
  const arrival = syntax.quote(arrived);
  const { rows: found } = await reader.text({
    text: `SELECT count(*), CAST(max(${arrival}) AS text) FROM ${relation} WHERE ${arrival} IS NOT NULL`,
    parameters: [],
  });
  const [count = "0", newestText] = found[0] ?? [];
  // Of no rows, max may be the default of the type.
  if (count === "0") return { readAt: readAt(), newest: null, keptFrom: null, wentBack: false, isDay, groups: [] };
  const newest = cursorText(newestText ?? "", column);
  const wentBack = from !== null && newest < from;
  const begin = wentBack ? null : from;
  const latest = Math.min(Date.parse(newest), notAfter.getTime());
  const kept = new Date(latest - lagMs).toISOString().replace("Z", "000Z");
  const keptFrom = begin === null || kept > begin ? kept : begin;
  const bucket = bucketOf(syntax, {
    columns,
    buckets: { kind: "time", column: time, origin: new Date(0), seconds },
  });
  const parameters = begin === null ? [keptFrom] : [keptFrom, begin];
  const bound = (index: number): string =>
    syntax.typed(syntax.parameter(index, parameters[index - 1] ?? null), column.type);
  const { rows } = await reader.text({
    text: `SELECT ${bucket}, count(*), sum(CASE WHEN ${arrival} >= ${bound(1)} THEN 1 ELSE 0 END), CAST(max(${arrival}) AS text)
      FROM ${relation} WHERE ${begin === null ? `${arrival} IS NOT NULL` : `${arrival} >= ${bound(2)}`} GROUP BY ${bucket}`,
    parameters,
  });
  const groups = rows.map(([at, rowCount, keptCount, last]) => ({
    start: at === null || at === undefined ? null : Number(at) * seconds,
    rowCount: Number(rowCount),
    keptCount: Number(keptCount),
    latest: cursorText(last ?? "", column),
  }));
  return { readAt: readAt(), newest, keptFrom, wentBack, isDay, groups };
}

function readAt(): string {
  return new Date().toISOString().replace("Z", "999Z");
}

function getColumn(columns: readonly Column[], name: string): Column {
  const found = columns.find((column) => column.name === name);
  if (found === undefined) throw new TypeError(`there is no column ${name}`);
  return found;
}
