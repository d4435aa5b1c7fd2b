import type { Log, PostgresSource } from "../definitions/body.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { TableRef } from "../definitions/sql.ts";
import type { Attempt } from "../resources/store.ts";
import { maxOfPostgres, OpenStores } from "../resources/stores.ts";
import { placeOf } from "./place.ts";
import type { MaxOf } from "./tick.ts";
import { TickResultError } from "./tick_result.ts";

/** Reads the highest values of columns; connections are opened on first use. */
export class Watermarks {
  readonly #stores: OpenStores;
  readonly #attempt: Attempt;

  constructor(projectDir: string, signal: AbortSignal, log: Log) {
    this.#stores = new OpenStores(projectDir);
    const run = { runId: "", rootRunId: "", codeVersion: "", startedAt: new Date() };
    this.#attempt = { ...run, signal, log: log.info };
  }

  readonly read: MaxOf = async (table: TableRef | PostgresSource, column: string) => {
    if (!("format" in table)) return await this.#readAsset(table, column);
    const { schema, table: name, url: variable } = table;
    return await maxOfPostgres({ schema, table: name, variable }, column, process.env, this.#attempt.signal);
  };

  async close(): Promise<void> {
    await this.#stores.close();
  }

  async #readAsset({ assetKey }: TableRef, column: string): Promise<string | null> {
    const asset = definedAssets().find(({ key }) => key === assetKey);
    if (asset === undefined) throw new TickResultError(`maxOf: no file defines ${JSON.stringify(assetKey)}`);
    if (!asset.columns.some(({ name }) => name === column))
      throw new TickResultError(`maxOf: ${assetKey} has no column ${JSON.stringify(column)}`);
    const { target, store: kind, storeFault } = placeOf(asset);
    if (storeFault !== null) throw new TickResultError(`maxOf: ${storeFault}`);
    const store = await this.#stores.get(kind);
    return await store.maxOf(target, column, this.#attempt);
  }
}
