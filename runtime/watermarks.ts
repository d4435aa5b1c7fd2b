import type { Log, PostgresSource } from "../definitions/body.ts";
import { definedAssets } from "../definitions/registry.ts";
import type { DefinedAsset } from "../definitions/asset.ts";
import type { TableRef } from "../definitions/sql.ts";
import type { TickContext } from "../definitions/tick.ts";
import type { Attempt, StoreKind, Target } from "../resources/store.ts";
import { arrivalsOfPostgres, maxOfPostgres, OpenStores, type SourceTable } from "../resources/stores.ts";
import { placeOf } from "./place.ts";
import { TickResultError } from "./tick_result.ts";

/** What a tick is told of tables; connections are opened on first use. */
export class Watermarks {
  readonly #stores: OpenStores;
  readonly #attempt: Attempt;

  constructor(projectDir: string, signal: AbortSignal, log: Log) {
    this.#stores = new OpenStores(projectDir);
    const run = { runId: "", rootRunId: "", codeVersion: "", startedAt: new Date() };
    this.#attempt = { ...run, signal, log: log.info };
  }

  readonly maxOf: TickContext["maxOf"] = async (table, column) => {
    if ("format" in table) return await maxOfPostgres(sourceOf(table), column, process.env, this.#attempt.signal);
    const { asset, target, store } = getTable("maxOf", table);
    requireColumn("maxOf", asset, column);
    return await (await this.#stores.get(store)).maxOf(target, column, this.#attempt);
  };

  readonly arrivals: TickContext["arrivals"] = async (table, query) => {
    if ("format" in table) return await arrivalsOfPostgres(sourceOf(table), query, process.env, this.#attempt.signal);
    const { asset, target, store } = getTable("arrivals", table);
    for (const column of [query.time, query.arrived]) requireColumn("arrivals", asset, column);
    return await (await this.#stores.get(store)).arrivals(target, query, this.#attempt);
  };

  readonly lastPublishes: TickContext["lastPublishes"] = async (table, keys) => {
    const { target, store } = getTable("lastPublishes", table);
    return await (await this.#stores.get(store)).lastPublishes(target, keys, this.#attempt);
  };

  async close(): Promise<void> {
    await this.#stores.close();
  }
}

function sourceOf({ schema, table, url }: PostgresSource): SourceTable {
  return { schema, table, variable: url };
}

function getTable(
  what: string,
  { assetKey }: TableRef,
): { readonly asset: DefinedAsset; readonly target: Target; readonly store: StoreKind } {
  const asset = definedAssets().find(({ key }) => key === assetKey);
  if (asset === undefined) throw new TickResultError(`${what}: no file defines ${JSON.stringify(assetKey)}`);
  const { target, store, storeFault } = placeOf(asset);
  if (storeFault !== null) throw new TickResultError(`${what}: ${storeFault}`);
  return { asset, target, store };
}

function requireColumn(what: string, { key, columns }: DefinedAsset, column: string): void {
  if (!columns.some(({ name }) => name === column))
    throw new TickResultError(`${what}: ${key} has no column ${JSON.stringify(column)}`);
}
