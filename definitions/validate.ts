import type { AssetOptions, Shape } from "./asset.ts";
import { type Column, readColumn } from "./column_type.ts";
import type { Fault, FaultCode, SourcePosition } from "./fault.ts";
import { keysOf, timeOf } from "./partitions.ts";
import { checkDataset } from "./superset/validate_dataset.ts";
import { checkArchive } from "./validate_archive.ts";
import { checkContract } from "./validate_contract.ts";
import { checkRule } from "./validate_check.ts";
import { checkDiff } from "./validate_diff.ts";
import { checkEvolution } from "./validate_evolution.ts";
import { checkDagsterOptions, checkLimits, checkPartitions } from "./validate_options.ts";
import { requireOptions } from "./validate_names.ts";
import { checkStorage } from "./validate_storage.ts";
import { checkValidation } from "./validate_validation.ts";
import { checkWrite } from "./validate_write.ts";

/** A part of an asset key, and so a schema or table name in every store. */
const KEY_PART = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
const TWO_PARTS = /^[^.]+\.[^.]+$/;
/** Schemas that some store keeps for itself, or that name a catalog of DuckDB. */
const RESERVED_SCHEMAS = new Set(["information_schema", "pg_catalog", "system", "temp"]);

/** What an asset can say of itself. */
const OPTIONS: Readonly<Record<keyof AssetOptions<Shape>, true>> = {
  ...{ description: true, columns: true, key: true, body: true, checks: true, partitions: true },
  ...{ partitionMappings: true, each: true, maxPartitionsPerRun: true, write: true, quarantine: true, contract: true },
  ...{ breaks: true, deprecated: true, freshness: true, automation: true, owners: true, tags: true, group: true },
  ...{ pool: true, retry: true, timeout: true, store: true, storage: true, superset: true },
};

/** Stands in for options that cannot be read, so that everything that follows can. */
const UNREADABLE: AssetOptions<Shape> = { description: "", body: { task: () => Promise.resolve() } };

/** What {@link validate} found. */
export interface Validated {
  /** The options as given, or harmless ones where those are not even of the declared form. */
  readonly options: AssetOptions<Shape>;
  readonly columns: readonly Column[];
  readonly faults: readonly Fault[];
}

/** Reads the columns off an asset's options and collects everything that is wrong with them. Never throws. */
export function validate(key: string, options: AssetOptions<Shape>, position: SourcePosition): Validated {
  const faults: Fault[] = [];
  const add = (code: FaultCode, message: string): void => {
    faults.push({ code, asset: key, position, message });
  };
  try {
    checkKey(key, add);
    if (!requireOptions("", options, OPTIONS, add)) return { options: UNREADABLE, columns: [], faults };
    const columns = readColumns(options, add);
    checkColumnNames(options, add);
    for (const check of options.checks ?? []) checkRule(check, columns, options, add);
    checkEvolution(options, columns, add);
    checkDagsterOptions(options, add);
    checkPartitions(options, columns, add);
    checkLimits(options, add);
    checkStorage(options, columns, add);
    checkCopy(options, add);
    checkContract(options, columns, add);
    checkArchive(options, add);
    checkDiff(options, add);
    checkValidation(options, add);
    checkWrite(options, columns, add);
    checkDataset(options, columns, add);
    return { options, columns, faults };
  } catch (error) {
    // Reached from plain JavaScript, through a cast, or by an import that is undefined in an import cycle.
    add("bad_option", `cannot read the definition: ${error instanceof Error ? error.message : String(error)}`);
    return { options: UNREADABLE, columns: [], faults };
  }
}

/** Records a fault of the asset in hand. */
export type Add = (code: FaultCode, message: string) => void;

/** Whether a key can be one of Dagster and of every store. */
export function checkKey(key: string, add: Add): void {
  const parts = key.split("/");
  if (parts.length !== 2 || !parts.every((part) => KEY_PART.test(part))) {
    add(
      "bad_key",
      `key ${JSON.stringify(key)}: expected "schema/table", each a letter followed by up to 62 letters, digits or underscores`,
    );
  } else if (RESERVED_SCHEMAS.has(parts[0]?.toLowerCase() ?? "")) {
    add("bad_key", `key ${JSON.stringify(key)}: stores keep the schema ${parts[0] ?? ""} for themselves`);
  }
}

function readColumns(options: AssetOptions<Shape>, add: Add): readonly Column[] {
  const isTask = "task" in options.body;
  if (
    !isTask &&
    !("rows" in options.body) &&
    !["query", "sql", "materialized_view", "copy", "archive", "diff", "validation"].includes(options.body.kind)
  ) {
    add(
      "bad_option",
      "body: expected query(…), sql`…`, materializedView(…), copy(…), archive(…), diffTables(…), { rows } or { task }",
    );
  }
  if (isTask && (options.checks ?? []).length > 0) {
    add("bad_option", "checks: a task has no rows to check: throw from its body when something does not hold");
  }
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
  if (Object.keys(options.columns.shape).length === 0) add("bad_column", "columns: a table has at least one column");
  return columns;
}

function checkColumnNames(options: AssetOptions<Shape>, add: Add): void {
  const names = new Set(Object.keys(options.columns?.shape ?? {}));
  const require = (where: string, name: string): void => {
    if (!names.has(name))
      add("unknown_column", `${where} names column ${JSON.stringify(name)}; expected one of ${[...names].join(", ")}`);
  };
  for (const name of options.key ?? []) require("key", name);
  if (options.partitions !== undefined)
    for (const one of [timeOf(options.partitions), keysOf(options.partitions)])
      if (one !== undefined) require("partitions", one.column);
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

/** A source that is there, and whole. */
function checkCopy({ body }: AssetOptions<Shape>, add: Add): void {
  if (!("kind" in body) || body.kind !== "copy") return;
  const source = body.source as typeof body.source | undefined;
  if (source === undefined)
    add("unknown_reference", "copy: the source is undefined: import the asset from the file that defines it");
  else if ("format" in source && source.format === "postgres" && !TWO_PARTS.test(`${source.schema}.${source.table}`))
    add(
      "bad_option",
      `copy: expected postgresTable("schema.table"), got ${JSON.stringify(`${source.schema}.${source.table}`)}`,
    );
}
