import { ProjectError } from "../definitions/project_error.ts";
import type { TextReader } from "./checks.ts";
import type { LedgerEntry, Target } from "./store.ts";

/** Another run has published since this one read its cursor. */
export class CursorMovedError extends ProjectError {
  readonly code = "cursor_moved";
  readonly retryable = true;
}

/**
 * Refuses rows that were read from a cursor that is not the latest any more. Call it where no other publish of the asset
 * can come in between.
 *
 * @throws CursorMovedError
 */
export function requireCursor({ assetKey, after }: LedgerEntry, latest: string | null): void {
  if (after === undefined || after === latest) return;
  throw new CursorMovedError(
    `${assetKey}: another run has published since this one began, and moved the cursor from ${after ?? "the start"} to ` +
      `${latest ?? "the start"}: its rows would be there twice. Nothing was published; run it again`,
  );
}

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
  const isInstant = columns.some((column) => column.name === cursorColumn && column.type.kind === "timestamp");
  if (text === null || !isInstant) return text;
  const [, day = "", time = "", micros = ""] = /^(\S+) ([\d:]+)(?:\.(\d+))?/.exec(text) ?? [];
  return `${day}T${time}.${micros.padEnd(6, "0")}Z`;
}
