import type { AssetOptions, Shape } from "./asset.ts";
import type { Column } from "./column_type.ts";
import { tryGetSeconds } from "./duration.ts";
import type { Add } from "./validate.ts";

const ORDERED: ReadonlySet<string> = new Set(["timestamp", "date", "int32", "int64"]);

/** What is wrong with the way in which an asset's rows join its table. */
export function checkWrite(options: AssetOptions<Shape>, columns: readonly Column[], add: Add): void {
  const { write, body, key = [], partitions } = options;
  if (write === undefined) return;
  const bad = (message: string): void => {
    add("bad_option", `write: ${message}`);
  };
  if ("task" in body) bad("a task has no table");
  if ("kind" in body && body.kind === "materialized_view") bad("a materialised view is refreshed, not written to");
  if (partitions !== undefined) bad("a run of partitions replaces those: leave out write, or partitions");
  if (write.kind === "merge" && key.length === 0) bad("merge needs key, the columns by which rows are found again");
  if ("kind" in body && body.kind === "copy") {
    if (write.kind === "append")
      bad("a copy reads all of its source, which each run would add once more: merge, or query");
    if (write.cursor !== null) bad("a copy reads all of its source: leave out cursor");
  }
  if (write.lag !== null && write.cursor === null) bad("lag is about a cursor");
  if (write.lag !== null && tryGetSeconds(write.lag) === undefined)
    bad(`lag: expected a duration such as "90s", "15m" or "2h", got ${JSON.stringify(write.lag)}`);
  if (write.cursor === null) return;
  const column = columns.find(({ name }) => name === write.cursor);
  if (column === undefined) {
    add("unknown_column", `write: cursor names column ${JSON.stringify(write.cursor)}, which the asset does not have`);
    return;
  }
  if (column.nullable || !ORDERED.has(column.type.kind))
    bad(`cursor: column ${column.name} must be a timestamp, a date or an integer, never null`);
  if (write.lag !== null && column.type.kind !== "timestamp") bad("lag needs a cursor that is a timestamp");
}
