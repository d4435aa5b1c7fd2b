import type { AssetOptions, Shape } from "../asset.ts";
import type { Column } from "../column_type.ts";
import { tryGetSeconds } from "../duration.ts";
import type { Add } from "../validate.ts";
import type { Metric } from "./metric.ts";

/** Superset keeps names of metrics in 255 characters; these are also shown, so they are kept short. */
const METRIC_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const ADDRESS = /^[^@\s]+@[^@\s]+$/;
const NUMBERS = new Set(["int32", "int64", "float64", "decimal"]);
const TIMES = new Set(["timestamp", "date"]);
const ON_CONFLICT = ["keep", "overwrite", "fail"];
const SYNC = ["onMaterialize", "scheduled", "manual"];

/** What is wrong with the dataset of an asset, as far as it shows without Superset. */
export function checkDataset({ superset, body }: AssetOptions<Shape>, columns: readonly Column[], add: Add): void {
  if (superset === undefined) return;
  const bad = (message: string): void => {
    add("bad_option", `superset: ${message}`);
  };
  if ("task" in body) bad("a task has no table that Superset could show");
  const require = (where: string, name: string): Column | undefined => {
    const column = columns.find((one) => one.name === name);
    if (column === undefined)
      add("unknown_column", `superset: ${where} names column ${JSON.stringify(name)}, which the asset does not have`);
    return column;
  };
  for (const [name, metric] of Object.entries(superset.metrics ?? {})) checkMetric(name, metric, require, bad);
  for (const name of Object.keys(superset.columns ?? {})) require("columns", name);
  // Of any shape, the compiler knows of no column that holds a time.
  const timeColumn = superset.timeColumn as string | undefined;
  if (timeColumn !== undefined) {
    const column = require("timeColumn", timeColumn);
    if (column !== undefined && !TIMES.has(column.type.kind))
      bad(`timeColumn ${column.name}: expected a timestamp or a date, got ${column.type.kind}`);
  }
  const { cacheTimeout, certifiedBy, owners = [], onConflict = "keep", sync = "onMaterialize" } = superset;
  if (cacheTimeout !== undefined && tryGetSeconds(cacheTimeout) === undefined)
    bad(`cacheTimeout: expected a duration such as "10m" or "24h", got ${JSON.stringify(cacheTimeout)}`);
  if (certifiedBy?.trim() === "") bad("certifiedBy: expected a name");
  for (const owner of owners)
    if (!ADDRESS.test(owner)) bad(`owner ${JSON.stringify(owner)}: expected the e-mail address of a user of Superset`);
  // What the types say as well, for an asset in JavaScript.
  for (const [what, value, allowed] of [
    ["onConflict", onConflict, ON_CONFLICT],
    ["sync", sync, SYNC],
  ] as const)
    if (!allowed.includes(value)) bad(`${what}: expected one of ${allowed.join(", ")}, got ${JSON.stringify(value)}`);
}

function checkMetric(
  name: string,
  metric: Metric,
  require: (where: string, name: string) => Column | undefined,
  bad: (message: string) => void,
): void {
  if (!METRIC_NAME.test(name))
    bad(`metric ${JSON.stringify(name)}: expected a letter, then up to 62 letters, digits or underscores`);
  if (metric.strings.length !== metric.columns.length + 1 || metric.strings.join("").trim() === "")
    bad(`metric ${name}: expected sum("column"), count() and the like, or formula\`…\``);
  for (const column of metric.columns) require(`metric ${name}`, column);
  for (const number of metric.numbers) {
    const column = require(`metric ${name}`, number);
    if (column !== undefined && !NUMBERS.has(column.type.kind))
      bad(`metric ${name}: column ${number} holds no numbers, but ${column.type.kind}`);
  }
}
