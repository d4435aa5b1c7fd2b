import type { AssetOptions, Shape } from "./asset.ts";
import type { Check } from "./check.ts";
import { type Column, readColumn } from "./column_type.ts";
import { tryGetSeconds } from "./duration.ts";
import type { Fault, FaultCode, SourcePosition } from "./fault.ts";

/** A part of an asset key, and so a schema or table name in every store. */
const KEY_PART = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
/** The schema in which the runtime keeps its own tables. */
export const OWN_SCHEMA = "_dagster_typescript";
// What Dagster accepts; it would refuse the whole code location otherwise.
const DAGSTER_NAME = /^[A-Za-z0-9_]+$/;
const OWNER = /^(team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$/;
const TAG_KEY = /^([A-Za-z0-9_.-]{1,63}\/)?[A-Za-z0-9_.-]{1,63}$/;
const TAG_VALUE = /^[A-Za-z0-9_.-]{0,63}$/;

/** Reads the columns off an asset's options and collects everything that is wrong with them. Never throws. */
export function validate(
  key: string,
  options: AssetOptions<Shape>,
  position: SourcePosition,
): { columns: readonly Column[]; faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const add = (code: FaultCode, message: string): void => {
    faults.push({ code, asset: key, position, message });
  };
  let columns: readonly Column[] = [];
  try {
    checkKey(key, add);
    columns = readColumns(options, add);
    checkColumnNames(options, columns, add);
    for (const check of options.checks ?? []) checkRule(check, add);
    checkDagsterOptions(options, add);
    checkLimits(options, add);
  } catch (error) {
    // Options that are not even of the declared form: reached from plain JavaScript or through a cast.
    add("bad_option", `cannot read the definition: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { columns, faults };
}

type Add = (code: FaultCode, message: string) => void;

function checkKey(key: string, add: Add): void {
  const parts = key.split("/");
  if (parts.length !== 2 || !parts.every((part) => KEY_PART.test(part))) {
    add(
      "bad_key",
      `key ${JSON.stringify(key)}: expected "schema/table", each a letter followed by up to 62 letters, digits or underscores`,
    );
  }
}

function readColumns(options: AssetOptions<Shape>, add: Add): readonly Column[] {
  const isTask = "task" in options.body;
  if (options.columns === undefined) {
    if (!isTask) add("bad_column", "columns: expected z.strictObject({ … }); only a task has no columns");
    return [];
  }
  if (isTask) add("bad_column", "columns: a task has no table, so it has no columns");
  if (options.columns.def.catchall?._zod.def.type !== "never") {
    add("bad_column", "columns: write z.strictObject({ … }): a plain z.object silently drops unknown properties");
  }
  const columns: Column[] = [];
  const seen = new Map<string, string>();
  for (const [name, schema] of Object.entries(options.columns.shape)) {
    const result = readColumn(name, schema as Parameters<typeof readColumn>[1]);
    if (!result.ok) {
      add("bad_column_type", `column ${JSON.stringify(name)}: ${result.message}`);
      continue;
    }
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined)
      add(
        "bad_column",
        `columns ${JSON.stringify(twin)} and ${JSON.stringify(name)} differ only in case, which stores do not tell apart`,
      );
    seen.set(name.toLowerCase(), name);
    columns.push(result.column);
  }
  if (columns.length === 0) add("bad_column", "columns: a table has at least one column");
  return columns;
}

function checkColumnNames(options: AssetOptions<Shape>, columns: readonly Column[], add: Add): void {
  const names = new Set(columns.map(({ name }) => name));
  const require = (where: string, name: string): void => {
    if (!names.has(name))
      add("unknown_column", `${where} names column ${JSON.stringify(name)}; expected one of ${[...names].join(", ")}`);
  };
  for (const name of options.key ?? []) require("key", name);
  if (options.partitions !== undefined) require("partitions", options.partitions.column);
  const checks = new Set<string>();
  for (const check of options.checks ?? []) {
    for (const name of check.columns) require(`check ${check.name}`, name);
    if (checks.has(check.name))
      add("duplicate_check", `two checks are called ${check.name}: give one another name with named("…", …)`);
    checks.add(check.name);
  }
  if ("kind" in options.body && options.body.kind === "copy") {
    for (const { target } of options.body.columns) require("copy", target);
  }
}

function checkRule({ name, rule }: Check, add: Add): void {
  const bad = (message: string): void => {
    add("bad_option", `check ${name}: ${message}`);
  };
  if (!DAGSTER_NAME.test(name)) bad("a name has letters, digits and underscores only");
  switch (rule.kind) {
    case "between":
    case "row_count":
      if (rule.min === null && rule.max === null) bad("expected min, max or both");
      if (typeof rule.min === "number" && typeof rule.max === "number" && rule.min > rule.max)
        bad(`min ${rule.min} is above max ${rule.max}`);
      break;
    case "accepted_values":
      if (rule.values.length === 0) bad("expected at least one value");
      break;
    case "matches":
      try {
        new RegExp(rule.pattern, "u");
      } catch (error) {
        bad(`not a regular expression: ${(error as Error).message}`);
      }
      break;
    case "unique":
    case "not_null":
    case "references":
    case "sql":
      break;
  }
}

function checkDagsterOptions(options: AssetOptions<Shape>, add: Add): void {
  const bad = (message: string): void => {
    add("bad_option", message);
  };
  if (typeof options.description !== "string" || options.description.trim() === "")
    bad("description: say in a sentence what a row is");
  for (const owner of options.owners ?? []) {
    if (!OWNER.test(owner)) bad(`owner ${JSON.stringify(owner)}: expected an e-mail address or team:name`);
  }
  for (const [tag, value] of Object.entries(options.tags ?? {})) {
    if (!TAG_KEY.test(tag) || !TAG_VALUE.test(value)) {
      bad(
        `tag ${JSON.stringify(tag)}: ${JSON.stringify(value)}: expected at most 63 letters, digits, "_", "-" and "."`,
      );
    }
  }
  if (options.group !== undefined && !DAGSTER_NAME.test(options.group))
    bad(`group ${JSON.stringify(options.group)}: letters, digits and underscores only`);
  if (
    options.partitions?.kind === "static" &&
    new Set(options.partitions.keys).size !== options.partitions.keys.length
  ) {
    bad("partitions: a key stands twice");
  }
  if (
    options.partitions !== undefined &&
    "start" in options.partitions &&
    Number.isNaN(Date.parse(options.partitions.start.slice(0, 10)))
  ) {
    bad(`partitions: start ${JSON.stringify(options.partitions.start)} is not a day, YYYY-MM-DD`);
  }
}

function checkLimits(options: AssetOptions<Shape>, add: Add): void {
  const whole = (what: string, value: number | undefined): void => {
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      add("bad_option", `${what}: expected a whole number of 0 or more, got ${String(value)}`);
  };
  const duration = (what: string, value: string | null | undefined): void => {
    if (value !== undefined && value !== null && tryGetSeconds(value) === undefined) {
      add(
        "bad_option",
        `${what}: expected a duration such as "90s", "15m", "25h" or "7d", got ${JSON.stringify(value)}`,
      );
    }
  };
  whole("quarantine.maxRows", options.quarantine?.maxRows);
  whole("retry.maxRetries", options.retry?.maxRetries);
  const delay = options.retry?.delaySeconds;
  if (delay !== undefined && !(Number.isFinite(delay) && delay >= 0))
    add("bad_option", `retry.delaySeconds: expected seconds of 0 or more, got ${delay}`);
  duration("timeout", options.timeout);
  if (options.freshness?.kind === "time_window") {
    duration("freshness", options.freshness.fail);
    duration("freshness warn", options.freshness.warn);
    const [fail, warn] = [options.freshness.fail, options.freshness.warn ?? ""].map(tryGetSeconds);
    if (fail !== undefined && warn !== undefined && warn >= fail)
      add("bad_option", "freshness: warn must be shorter than fail");
  }
  if (options.freshness?.kind === "cron") duration("freshness lowerBound", options.freshness.lowerBound);
}
