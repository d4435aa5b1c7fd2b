import type { Column } from "../definitions/column_type.ts";
import type { TextReader } from "./store.ts";
import { ContractError } from "./errors.ts";
import type { Target } from "./store.ts";

/**
 * The greatest staged value of the cursor's column; an instant as ISO text with microseconds, in which form all stores
 * take it back. `null` without such a column, or without rows.
 */
export async function latestStaged(
  reader: TextReader,
  quote: (name: string) => string,
  { columns, cursorColumn }: Pick<Target, "columns" | "cursorColumn">,
  relation: string,
): Promise<string | null> {
  if (cursorColumn === undefined) return null;
  const name = quote(cursorColumn);
  const { rows } = await reader.text({
    // With the relation said: alone, the name would mean the text before it.
    text: `SELECT CAST(staged.${name} AS text) FROM ${relation} AS staged ORDER BY staged.${name} DESC LIMIT 1`,
    parameters: [],
  });
  const text = rows[0]?.[0] ?? null;
  const column = columns.find((one) => one.name === cursorColumn);
  return text === null || column === undefined ? text : cursorText(text, column);
}

/**
 * What a store prints of the greatest value, as a cursor. Days and instants of four-digit years only: those have the order
 * of their texts.
 *
 * @throws ContractError for infinity, and years before 1 and after 9999, from which no next run could go on
 */
export function cursorText(printed: string, { name, type }: Pick<Column, "name" | "type">): string {
  if (type.kind !== "timestamp" && type.kind !== "date") return printed;
  const pattern =
    type.kind === "date"
      ? /^\d{4}-\d\d-\d\d$/
      : /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?$/;
  const match = pattern.exec(printed);
  if (match === null)
    throw new ContractError(
      `column ${name} is the cursor, and ${printed} is nothing that the next run could go on from`,
    );
  if (type.kind === "date") return printed;
  const [, day = "", time = "", micros = ""] = match;
  return `${day}T${time}.${micros.padEnd(6, "0")}Z`;
}
