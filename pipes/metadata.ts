import { assetKeyParts, type AssetKeyInput } from "./asset_key.ts";
import { PipesArgumentError, describeValue } from "./errors.ts";
import type {
  Jsonable,
  MetadataEntry,
  MetadataEntryOf,
  TableColumn,
  TableColumnDep,
  TableRecord,
} from "./metadata_entry.ts";
import { writeEntry } from "./metadata_text.ts";

/** The column of an upstream asset that a column is made from. */
export interface ColumnDep {
  readonly assetKey: AssetKeyInput;
  readonly columnName: string;
}

/**
 * Constructors of typed metadata values.
 *
 * Each throws a `PipesArgumentError` that names parameter, method, expected and got when a value
 * slips past the compiler.
 *
 * @example
 * ```ts
 * context.reportAssetMaterialization({
 *   metadata: { "dagster/row_count": metadata.int(rows), mean: metadata.float(mean), sample: metadata.md(table) },
 * });
 * ```
 */
export const metadata = {
  /** Plain text. */
  text: (value: string): MetadataEntryOf<"text"> => checked("text", { type: "text", raw_value: value }),
  /** A link. */
  url: (value: string): MetadataEntryOf<"url"> => checked("url", { type: "url", raw_value: value }),
  /** A path in a file system. */
  path: (value: string): MetadataEntryOf<"path"> => checked("path", { type: "path", raw_value: value }),
  /** A path to a notebook. */
  notebook: (value: string): MetadataEntryOf<"notebook"> => checked("notebook", { type: "notebook", raw_value: value }),
  /** Markdown. */
  md: (value: string): MetadataEntryOf<"md"> => checked("md", { type: "md", raw_value: value }),
  /** An object, array or string as JSON; bigints stay exact. Dagster takes no bare number or boolean. */
  json: <const T extends object | string>(value: T & Jsonable<T>): MetadataEntryOf<"json"> =>
    checked("json", { type: "json", raw_value: value }),
  /** A finite number, always read as a float. NaN and the infinities are refused. */
  float: (value: number): MetadataEntryOf<"float"> => checked("float", { type: "float", raw_value: value }),
  /** An integer: a safe `number`, or a bigint of any size. */
  int: (value: number | bigint): MetadataEntryOf<"int"> => checked("int", { type: "int", raw_value: value }),
  /** A truth value. */
  bool: (value: boolean): MetadataEntryOf<"bool"> => checked("bool", { type: "bool", raw_value: value }),
  /** The id of a Dagster run, shown as a link. */
  dagsterRun: (runId: string): MetadataEntryOf<"dagster_run"> =>
    checked("dagsterRun", { type: "dagster_run", raw_value: runId }),
  /** An asset, shown as a link. Dagster splits it at each `/`, so no part may hold one. */
  asset: (key: AssetKeyInput): MetadataEntryOf<"asset"> =>
    checked("asset", { type: "asset", raw_value: assetText(key) }),
  /** Nothing. */
  null: (): MetadataEntryOf<"null"> => ({ type: "null", raw_value: null }),
  /** Rows with their columns. */
  table: (value: { records: readonly TableRecord[]; schema: readonly TableColumn[] }): MetadataEntryOf<"table"> =>
    checked("table", { type: "table", raw_value: value }),
  /** The columns of a table. */
  tableSchema: (columns: readonly TableColumn[]): MetadataEntryOf<"table_schema"> =>
    checked("tableSchema", { type: "table_schema", raw_value: { columns } }),
  /** For each column of this asset, the columns it is made from. */
  tableColumnLineage: (
    depsByColumn: Readonly<Record<string, readonly ColumnDep[]>>,
  ): MetadataEntryOf<"table_column_lineage"> =>
    checked("tableColumnLineage", {
      type: "table_column_lineage",
      raw_value: { deps_by_column: lineage(depsByColumn) },
    }),
  /** A moment: a `Date`, or seconds since 1970. */
  timestamp: (value: Date | number): MetadataEntryOf<"timestamp"> =>
    checked("timestamp", { type: "timestamp", raw_value: value instanceof Date ? value.getTime() / 1000 : value }),
} as const;

function checked<Entry extends MetadataEntry>(constructor: string, entry: Entry): Entry {
  writeEntry("value", entry, { method: `metadata.${constructor}`, parameter: "value" });
  return entry;
}

function assetText(key: unknown): string {
  const method = "metadata.asset";
  if (typeof key === "string" && key !== "") return key;
  const parts = assetKeyParts(key, method, "key");
  if (parts.some((part) => part.includes("/"))) {
    throw new PipesArgumentError({ method, parameter: "key", expected: "parts without `/`", got: "a part with `/`" });
  }
  return parts.join("/");
}

function lineage(depsByColumn: unknown): Record<string, TableColumnDep[]> {
  const method = "metadata.tableColumnLineage";
  const entries: [string, TableColumnDep[]][] = [];
  for (const [column, deps] of Object.entries((depsByColumn ?? {}) as Record<string, unknown>)) {
    if (!Array.isArray(deps)) {
      throw new PipesArgumentError({ method, parameter: column, expected: "an array", got: describeValue(deps) });
    }
    entries.push([column, (deps as ColumnDep[]).map((dep, index) => columnDep(dep, method, `${column}[${index}]`))]);
  }
  // fromEntries defines properties, so that a column may be named `__proto__`.
  return Object.fromEntries(entries);
}

function columnDep(dep: ColumnDep, method: string, parameter: string): TableColumnDep {
  return {
    asset_key: assetKeyParts(dep.assetKey, method, `${parameter}.assetKey`),
    column_name: dep.columnName,
  };
}
