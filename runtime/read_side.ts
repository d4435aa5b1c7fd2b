import { join, resolve } from "node:path";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import type { Attempt, LedgerEntry, Store, StoreKind, Target } from "../resources/store.ts";
import { DEFAULT_STORE, type OpenStores } from "../resources/stores.ts";
import { readFile, readSuperset, type SideName, type SideRows } from "../resources/validation/index.ts";
import type { CopiedSource } from "./copied_source.ts";
import { bulkSource } from "./stage_copy.ts";
import { columnsOf, type ResolvedValidation } from "./validation_sides.ts";

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
  const own = columnsOf(name, validation);
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
