import type { PostgresSource } from "../definitions/body.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { TableRef } from "../definitions/sql.ts";
import type { MaxOf } from "./tick.ts";
import type { Redact } from "./redaction.ts";
import { TickResultError } from "./tick_result.ts";

/** Reads the highest values of columns; connections are opened on first use. */
export function openMaxOf(
  _projectDir: string,
  _signal: AbortSignal,
  _redact: Redact,
): { readonly read: MaxOf; readonly close: () => Promise<void> } {
  return {
    read: (table: TableRef | PostgresSource, column: string) =>
      Promise.reject(new TickResultError(`not yet: ${JSON.stringify(table)} ${column} ${definedAssets().length}`)),
    close: () => Promise.resolve(),
  };
}
