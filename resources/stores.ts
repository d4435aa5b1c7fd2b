import { clickhouse } from "./clickhouse/kind.ts";
import { duckdb } from "./duckdb/kind.ts";
import { hyper } from "./hyper/kind.ts";
import { postgres } from "./postgres/kind.ts";
import type { Environment, Store, StoreKind } from "./store.ts";

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
 * @returns a message when there is no store of that name
 */
export function chooseStore(own: string | undefined, schema: string, env: Environment): StoreKind | string {
  const choices = (env["WAREHOUSE"] ?? "").split(",").map((part) => part.trim());
  const ofSchema = choices.find((part) => part.startsWith(`${schema}=`))?.slice(schema.length + 1);
  const ofAll = choices.find((part) => part !== "" && !part.includes("="));
  const name = own ?? ofSchema ?? ofAll ?? DEFAULT_STORE.name;
  return (
    STORES.get(name) ?? `no store is called ${JSON.stringify(name)}; expected one of ${[...STORES.keys()].join(", ")}`
  );
}

/** The stores of one process, each opened on first use: an asset without a table never loads a driver. */
export class OpenStores {
  readonly #projectDir: string;
  readonly #opened = new Map<StoreKind, Promise<Store>>();

  constructor(projectDir: string) {
    this.#projectDir = projectDir;
  }

  get(kind: StoreKind): Promise<Store> {
    const opened = this.#opened.get(kind) ?? kind.open(this.#projectDir, process.env);
    this.#opened.set(kind, opened);
    return opened;
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
