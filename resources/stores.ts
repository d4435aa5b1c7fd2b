import { duckdb } from "./duckdb/kind.ts";
import type { Store, StoreKind } from "./store.ts";

/** Where tables are. */
export const DEFAULT_STORE: StoreKind = duckdb;

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
    for (const store of this.#opened.values()) await (await store).close();
  }
}
