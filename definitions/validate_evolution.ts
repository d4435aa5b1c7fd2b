import type { AssetOptions, Shape } from "./asset.ts";
import { BREAKING_CHANGES } from "./evolution.ts";
import type { Column } from "./column_type.ts";
import { isDay } from "./schedule_text.ts";
import type { Add } from "./validate.ts";

/** What is wrong with the breaks that an asset acknowledges, and with its deprecation. */
export function checkEvolution(
  { breaks = [], deprecated, body }: AssetOptions<Shape>,
  columns: readonly Column[],
  add: Add,
): void {
  const bad = (message: string): void => {
    add("bad_option", message);
  };
  if ("task" in body && breaks.length > 0) bad("breaks: a task has no columns");
  const seen = new Set<string>();
  for (const { column: name, change, because } of breaks) {
    const where = `breaks: column ${JSON.stringify(name)}`;
    const column = columns.find((one) => one.name === name);
    if (!BREAKING_CHANGES.includes(change))
      bad(`${where}: expected a change of ${BREAKING_CHANGES.join(", ")}, got ${JSON.stringify(change)}`);
    else if (change === "removed" && column !== undefined) bad(`${where} is not removed: the asset has it`);
    else if (change !== "removed" && column === undefined)
      add("unknown_column", `${where} is none of the asset: say "removed", or name one of its columns`);
    else if (change === "nullable" && column?.nullable === false) bad(`${where} is not nullable`);
    if (typeof because !== "string" || because.trim() === "") bad(`${where}: because: say why, and who agreed`);
    if (seen.has(`${change} ${name}`)) bad(`${where} is ${change} twice`);
    seen.add(`${change} ${name}`);
  }
  if (deprecated === undefined) return;
  if ("task" in body) bad("deprecated: a task has no table that people read");
  if (typeof deprecated.on !== "string" || !isDay(deprecated.on))
    bad(`deprecated: on ${JSON.stringify(deprecated.on)} is no day, YYYY-MM-DD`);
}
