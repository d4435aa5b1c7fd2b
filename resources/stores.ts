import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Arrivals, ArrivalsQuery } from "../definitions/tick.ts";
import { clickhouse } from "./clickhouse/kind.ts";
import { duckdb } from "./duckdb/kind.ts";
import { hyper } from "./hyper/kind.ts";
import type { BulkSource } from "./bulk_source.ts";
import { nullWithoutTable, TransferDiskFullError } from "./errors.ts";
import { createOwnedFolder, removeOrphanFolders } from "./owned_folders.ts";
import { postgres } from "./postgres/kind.ts";
import { postgresSource, type SourceTable } from "./postgres/source.ts";
import type { FrozenTables } from "./frozen_tables.ts";
import type { Attempt, Environment, Store, StoreKind } from "./store.ts";
import { parseWarehouse } from "./warehouse_choices.ts";

export type { SourceTable } from "./postgres/source.ts";

/** Where tables are when nobody says otherwise. */
export const DEFAULT_STORE: StoreKind = duckdb;

const STORES: ReadonlyMap<string, StoreKind> = new Map(
  [duckdb, postgres, clickhouse, hyper].map((kind) => [kind.name, kind]),
);

/**
 * The store of an asset: its own choice, else what `WAREHOUSE` says of its schema, else of all, else DuckDB.
 *
 * `WAREHOUSE` is the name of a store, and after it, separated by commas, schemas that live elsewhere:
 * `postgres,marts=clickhouse`.
 *
 * @returns a message when there is no store of that name, or `WAREHOUSE` cannot be read
 */
export function chooseStore(own: string | undefined, schema: string, env: Environment): StoreKind | string {
  if (own !== undefined) return storeOf(own);
  const choices = parseWarehouse(env["WAREHOUSE"]);
  if (typeof choices === "string") return choices;
  const name = choices.ofSchema.get(schema) ?? choices.ofAll;
  if (name === undefined) return DEFAULT_STORE;
  const store = storeOf(name);
  return typeof store === "string" ? `WAREHOUSE: ${store}` : store;
}

/**
 * What is wrong with `WAREHOUSE` where nobody's asset would tell: a schema that no asset has is a slip of the pen.
 *
 * @param schemas those of all assets
 */
export function warehouseFaults(schemas: ReadonlySet<string>, env: Environment): string[] {
  const choices = parseWarehouse(env["WAREHOUSE"]);
  if (typeof choices === "string") return [];
  const known = [...schemas].sort().join(", ");
  return [...choices.ofSchema.keys()]
    .filter((schema) => !schemas.has(schema))
    .map((schema) => `WAREHOUSE: no asset is in the schema ${JSON.stringify(schema)}; expected one of ${known}`);
}

function storeOf(name: string): StoreKind | string {
  return (
    STORES.get(name) ?? `no store is called ${JSON.stringify(name)}; expected one of ${[...STORES.keys()].join(", ")}`
  );
}

/** A table that no asset makes, as stores read it in bulk. */
export function tableOfPostgres(table: SourceTable, env: Environment): BulkSource {
  return postgresSource(table, env);
}

/** Lends the tables of a PostgreSQL database that no asset makes, as they are now. */
export async function withFrozenPostgres<T>(
  variable: string,
  env: Environment,
  attempt: Pick<Attempt, "runId" | "signal">,
  act: (snapshot: FrozenTables) => Promise<T>,
): Promise<T> {
  const { postgresConfig } = await import("./postgres/config.ts");
  const { Connections } = await import("./postgres/connections.ts");
  const { withFrozenTables } = await import("./postgres/frozen_tables.ts");
  const connections = new Connections(postgresConfig(env, variable));
  try {
    return await withFrozenTables(connections, attempt, act);
  } finally {
    await connections.close();
  }
}

/** Counts the rows of a table that no asset makes, and that arrived since a time; `null` without the table. */
export async function arrivalsOfPostgres(
  source: SourceTable,
  query: ArrivalsQuery,
  env: Environment,
  signal: AbortSignal,
): Promise<Arrivals | null> {
  const { postgresConfig } = await import("./postgres/config.ts");
  const { Connections } = await import("./postgres/connections.ts");
  const { arrivalsOfTable } = await import("./postgres/max_of.ts");
  const connections = new Connections(postgresConfig(env, source.variable));
  try {
    const found = arrivalsOfTable(connections, { assetKey: "sensor", runId: "", signal }, source, query);
    return await nullWithoutTable(found);
  } finally {
    await connections.close();
  }
}

/**
 * The highest value of a column of a table that no asset makes, as text; `null` without rows.
 *
 * @throws UndefinedRelationError
 */
export async function maxOfPostgres(
  source: SourceTable,
  column: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string | null> {
  const { postgresConfig } = await import("./postgres/config.ts");
  const { Connections } = await import("./postgres/connections.ts");
  const { maxOf } = await import("./postgres/max_of.ts");
  const connections = new Connections(postgresConfig(env, source.variable));
  try {
    return await maxOf(connections, { assetKey: "sensor", runId: "", signal }, source, column);
  } finally {
    await connections.close();
  }
}

/** The stores of one process, each opened on first use: an asset without a table never loads a driver. */
export class OpenStores {
  readonly projectDir: string;
  readonly #opened = new Map<StoreKind, Promise<Store>>();

  constructor(projectDir: string) {
    this.projectDir = projectDir;
  }

  get(kind: StoreKind): Promise<Store> {
    const opened = this.#opened.get(kind) ?? kind.open(this.projectDir, process.env);
    this.#opened.set(kind, opened);
    return opened;
  }

  /**
   * Lends a folder to what is on its way from one store to another; it is gone afterwards.
   *
   * `TRANSFER_DIR` names the place, for example on a larger disk. Default: `data/transfers` in the project. A Hyper server
   * on this machine must be able to read and write there.
   *
   * @throws TransferDiskFullError
   */
  async withTransferFolder<T>(assetKey: string, runId: string, act: (folder: string) => Promise<T>): Promise<T> {
    const folder = createOwnedFolder(this.#transfers, assetKey, runId);
    try {
      return await act(folder);
    } catch (error) {
      if (!isFull(error, folder)) throw error;
      throw new TransferDiskFullError(
        `The disk of ${this.#transfers} has no room for the file by which ${assetKey} is copied; its table is as it was. ` +
          "Make room, or name a folder on another disk in TRANSFER_DIR",
        { cause: error },
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Removes what killed processes left in the folder of transfers. */
  removeOrphanTransfers(isOpen: (runId: string) => boolean): void {
    removeOrphanFolders(this.#transfers, isOpen);
  }

  get #transfers(): string {
    const named = process.env["TRANSFER_DIR"] ?? "";
    return resolve(this.projectDir, named === "" ? join("data", "transfers") : named);
  }

  /** Gives up connections and locks; a store that is used again opens them again. */
  async close(): Promise<void> {
    for (const opened of this.#opened.values()) {
      // Who asked for a store that could not be opened was told so.
      const store = await opened.catch(() => undefined);
      await store?.close();
    }
  }
}

/** Whoever writes the file says so in words of its own, and names it. */
const FULL = /No space left on device|Disk quota exceeded|ENOSPC|EDQUOT|could not grow file/i;

function isFull(error: unknown, folder: string): boolean {
  return error instanceof Error && FULL.test(error.message) && error.message.includes(folder);
}
