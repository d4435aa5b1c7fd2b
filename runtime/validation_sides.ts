import { join, resolve } from "node:path";
import type { DefinedAsset } from "../definitions/asset.ts";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import { readColumn } from "../definitions/column_type.ts";
import type { Fault } from "../definitions/fault.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { Sql } from "../definitions/sql.ts";
import type { CsvSource, SupersetSource, Validation, XlsxSource } from "../definitions/validation.ts";
import type { Attempt, LedgerEntry, Store, StoreKind, Target } from "../resources/store.ts";
import { DEFAULT_STORE, type OpenStores } from "../resources/stores.ts";
import {
  type ComparedColumn,
  readFile,
  readSuperset,
  type SideName,
  type SideRows,
} from "../resources/validation/index.ts";
import type { CopiedSource } from "./copied_source.ts";
import { placeOf } from "./place.ts";
import { bulkSource } from "./stage_copy.ts";

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

/** Finds the tables that a validation reads, and says what is wrong with them. */
export function resolveValidation(
  body: Validation,
  defined: DefinedAsset,
): { readonly found: ResolvedValidation; readonly faults: readonly Pick<Fault, "code" | "message">[] } {
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
  return { found: { sides, names: body.names, columns, declared, maxRows: body.maxRows }, faults };
}

/** The table beside that of a validation, with a line for each day and column. */
export function historyKey(key: string): string {
  return `${key}_history`;
}

function defaultTolerance({ kind }: ColumnType): string {
  return kind === "decimal" || kind === "float64" ? TOLERANCE : "0";
}

/** What reads the sides of one run. */
export interface SideReading {
  readonly validation: ResolvedValidation;
  /** The validation's own table. */
  readonly target: Target;
  readonly store: StoreKind;
  readonly stores: OpenStores;
  readonly attempt: Attempt;
  readonly projectDir: string;
  /** For files on their way. */
  readonly folder: string;
}

/** Brings the rows of a side to where they are compared: tables as Parquet, files as their cells. */
export async function readSide(name: SideName, reading: SideReading): Promise<SideRows> {
  const { validation, target, stores, attempt, folder, projectDir } = reading;
  const side = validation.sides[name];
  const names = validation.names[name];
  const path = join(folder, `${name}.parquet`);
  const own = validation.declared.map((column) => ({ ...column, name: names[column.name] ?? column.name }));
  switch (side.format) {
    case "xlsx":
    case "csv": {
      const keys = validation.columns.filter(({ isKey }) => isKey).map((column) => names[column.name] ?? column.name);
      return await readFile({ ...side, path: resolve(projectDir, side.path) }, keys);
    }
    case "superset": {
      const wanted = own.map((column) => column.name);
      const keys = own.flatMap((column, index) => (validation.columns[index]?.isKey === true ? [column.name] : []));
      const table = await readSuperset(side, wanted, keys, attempt.signal);
      return { kind: "cells", table, forms: side };
    }
    case "parquet":
      return { kind: "parquet", path: resolve(projectDir, side.path) };
    case "sql": {
      const store = await stores.get(reading.store);
      await store.exportParquet({ ...target, columns: own }, path, attempt, side.sql);
      return { kind: "parquet", path };
    }
    case "asset": {
      const wanted = new Set(own.map((column) => column.name));
      const columns = side.target.columns.filter((column) => wanted.has(column.name));
      const store = await stores.get(side.store);
      await store.exportParquet({ ...side.target, columns }, path, attempt);
      return { kind: "parquet", path };
    }
    case "postgres":
      await copyToFile(reading, side, own, path);
      return { kind: "parquet", path };
  }
}

/** A table of another database, by the way that copies of it take: into a warehouse that is gone afterwards. */
async function copyToFile(
  { target: of, attempt, folder }: SideReading,
  side: CopiedSource,
  columns: readonly Column[],
  path: string,
): Promise<void> {
  const source = bulkSource(side);
  if (source === undefined) throw new TypeError(`${side.format} is not read in bulk`);
  // Numbers with as many decimals as there is room for: they are compared before they are rounded. NULL is a difference.
  const wide = columns.map((column) => ({ ...column, nullable: true, type: widest(column.type) }));
  const target: Target = { ...of, columns: wide, key: [], storage: {}, strategy: { kind: "replace" } };
  const scratch: Store = await DEFAULT_STORE.open(folder, { DUCKDB_PATH: join(folder, "copied.duckdb") });
  try {
    const staged = await scratch.stageCopy(target, source, new Map(), attempt);
    const { assetKey } = target;
    const { runId, rootRunId, codeVersion, startedAt } = attempt;
    const entry: LedgerEntry = {
      ...{ assetKey, runId, rootRunId, codeVersion, startedAt, partitionKeys: null },
      ...{ rowCount: 0n, columns: [], contentHash: "", cursor: null, report: "{}" },
    };
    await staged.publish(entry);
    await scratch.exportParquet(target, path, attempt);
  } finally {
    await scratch.close();
  }
}

function widest(type: ColumnType): ColumnType {
  if (type.kind === "int32" || type.kind === "int64") return { kind: "decimal", precision: 38, scale: 9 };
  if (type.kind !== "decimal") return type;
  return {
    kind: "decimal",
    precision: 38,
    scale: Math.max(type.scale, Math.min(9, 38 - (type.precision - type.scale))),
  };
}
