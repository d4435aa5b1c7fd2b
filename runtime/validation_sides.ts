import type { DefinedAsset } from "../definitions/asset.ts";
import { type Column, type ColumnType, readColumn } from "../definitions/column_type.ts";
import type { Fault } from "../definitions/fault.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { Sql } from "../definitions/sql.ts";
import type { CsvSource, SupersetSource, Validation, XlsxSource } from "../definitions/validation.ts";
import type { ComparedColumn, SideName } from "../resources/validation/index.ts";
import type { Claim, Target } from "../resources/store.ts";
import type { CopiedSource } from "./copied_source.ts";
import { placeOf } from "./place.ts";
import { datasetKey } from "./superset/nodes.ts";

/** One side of a validation, ready to be read. */
export type ResolvedSide =
  XlsxSource | CsvSource | SupersetSource | CopiedSource | { readonly format: "sql"; readonly sql: Sql };

/** A validation that is ready to be run. */
export interface ResolvedValidation {
  readonly sides: Readonly<Record<SideName, ResolvedSide>>;
  readonly names: Validation["names"];
  readonly columns: readonly ComparedColumn[];
  /** As they are declared, with all that a store needs to know of them. */
  readonly declared: readonly Column[];
  readonly maxRows: number;
}

/** Apart by so much, numbers that are not whole are the same, unless the validation says otherwise. */
const TOLERANCE = "0.01";

/** Finds the tables and the datasets that a validation reads, and says what is wrong with them. */
export function resolveValidation(
  body: Validation,
  defined: DefinedAsset,
): {
  readonly found: ResolvedValidation;
  readonly datasets: readonly string[];
  readonly faults: readonly Pick<Fault, "code" | "message">[];
} {
  const faults: Pick<Fault, "code" | "message">[] = [];
  const declared = Object.entries(body.columns.shape).flatMap(([name, schema]) => {
    const read = readColumn(name, schema as Parameters<typeof readColumn>[1]);
    return read.ok ? [read.column] : [];
  });
  const columns = declared.map(({ name, type }): ComparedColumn => {
    const { absolute = defaultTolerance(type), relative = 0, ignoreCase = false } = body.compare[name] ?? {};
    return { name, type, isKey: body.key.includes(name), absolute: String(absolute), relative, ignoreCase };
  });
  const side = (name: SideName): ResolvedSide => {
    const source = body[name];
    if ("format" in source) return source;
    if (source.kind === "sql") return { format: "sql", sql: source };
    const other = definedAssets().find(({ key }) => key === source.assetKey);
    // Without one, there is a fault about it.
    const { target, store } = placeOf(other ?? defined);
    const has = new Set(other?.columns.map((column) => column.name));
    const missing = declared
      .map((column) => body.names[name][column.name] ?? column.name)
      .filter((one) => !has.has(one));
    if (other !== undefined && missing.length > 0)
      faults.push({
        code: "unknown_column",
        message: `${name}: ${other.key} has no column ${missing.map((one) => JSON.stringify(one)).join(", ")}: say its names in names.${name}`,
      });
    return { format: "asset", target, store };
  };
  const sides = { left: side("left"), right: side("right") };
  const history = historyKey(defined.key);
  if (definedAssets().some(({ key }) => key === history))
    faults.push({
      code: "duplicate_key",
      message: `${history} is the history of this validation: give that asset another key`,
    });
  const found = { sides, names: body.names, columns, declared, maxRows: body.maxRows };
  return { found, datasets: datasetsOf(body), faults };
}

/** The SQL of the sides, to be proven: each yields what is compared, under the names that its side has. */
export function sideClaims(
  { sides, names, declared }: ResolvedValidation,
  target: Target,
  deps: readonly string[],
): { readonly name: SideName; readonly claim: Claim }[] {
  return (["left", "right"] as const).flatMap((name) => {
    const side = sides[name];
    if (side.format !== "sql") return [];
    const columns = columnsOf(name, { names, declared });
    return [{ name, claim: { target: { ...target, columns }, deps, sql: side.sql, checks: [] } }];
  });
}

/** What is compared, as a side calls it. */
export function columnsOf(
  side: SideName,
  { names, declared }: Pick<ResolvedValidation, "names" | "declared">,
): Column[] {
  return declared.map((column) => ({ ...column, name: names[side][column.name] ?? column.name }));
}

/**
 * Keys of the nodes that sync the datasets which a validation asks Superset for: before them it would compare the rows of
 * before. A dataset that somebody made by hand has none.
 */
function datasetsOf({ left, right }: Pick<Validation, "left" | "right">): string[] {
  return [left, right].flatMap((source) => {
    if (!("format" in source) || source.format !== "superset") return [];
    const shown = definedAssets().find(({ key }) => key === source.object.assetKey);
    return shown?.options.superset === undefined ? [] : [datasetKey(shown.key)];
  });
}

/** The table beside that of a validation, with a line for each day and column. */
export function historyKey(key: string): string {
  return `${key}_history`;
}

function defaultTolerance({ kind }: ColumnType): string {
  return kind === "decimal" || kind === "float64" ? TOLERANCE : "0";
}
