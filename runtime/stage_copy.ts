import { join } from "node:path";
import { ProjectError } from "../definitions/project_error.ts";
import { type CopiedColumns, sourceOf } from "../resources/store_sources.ts";
import type { BulkSource, Staged, Target } from "../resources/store.ts";
import { tableOfPostgres } from "../resources/stores.ts";
import type { AssetSource, CopiedSource } from "./copied_source.ts";
import { holdCopy, sourceColumns } from "./copy_contract.ts";
import { evolvedColumns } from "./evolved.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { Staging } from "./stage.ts";

/** A copy from a database whose URL nobody gave. */
export class MissingUrlError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/** What stages a copy needs to know. */
export type CopyStaging = Pick<Staging, "target" | "stores" | "attempt"> & {
  readonly asset: Pick<ResolvedAsset, "store">;
};

/**
 * Holds the columns of a copy's source to the contract, and copies it.
 *
 * @throws MissingUrlError, and ContractError where the columns are not the contract's
 */
export async function stageHeldCopy(
  { source, columns, ignore }: Extract<ResolvedAsset["body"], { kind: "copy" }>,
  { asset, target, stores, attempt }: Pick<Staging, "asset" | "target" | "stores" | "attempt">,
): Promise<{ readonly staged: Staged; readonly target: Target; readonly differences: readonly string[] }> {
  const { contract: policy = "freeze" } = asset.defined.options;
  const store = await stores.get(asset.store);
  const evolved = policy === "evolve" ? await evolvedColumns(store, target, attempt) : [];
  const found = await sourceColumns(source, bulkSource(source), stores.projectDir, target, attempt);
  const held = holdCopy(found, { policy, target, columns, ignore, evolved, isSelection: source.format === "asset" });
  const staged = await stageCopy(source, held.columns, { asset, target: held.target, stores, attempt });
  return { staged, target: held.target, differences: held.differences };
}

/**
 * Copies a file or a table, by the shortest way that the two stores have: the one reads from the other by itself, or
 * both meet in a Parquet file, which is gone when the rows are staged.
 *
 * @throws MissingUrlError
 */
export async function stageCopy(source: CopiedSource, names: CopiedColumns, staging: CopyStaging): Promise<Staged> {
  const { asset, target, stores, attempt } = staging;
  const store = await stores.get(asset.store);
  const direct = bulkSource(source);
  if (direct !== undefined && asset.store.bulkFormats.has(direct.format))
    return await store.stageCopy(target, direct, names, attempt);
  if (source.format !== "asset") throw new TypeError(`${asset.store.name} copies no ${source.format}`);
  return await stageByFile(source, names, staging);
}

/** The columns that the copy reads go through a Parquet file, with the types of the other asset's contract. */
async function stageByFile(
  { target: from, store: kind }: AssetSource,
  names: CopiedColumns,
  { asset, target, stores, attempt }: CopyStaging,
): Promise<Staged> {
  const store = await stores.get(asset.store);
  const wanted = new Set(target.columns.map(({ name }) => sourceOf(names, name)));
  const columns = from.columns.filter(({ name }) => wanted.has(name));
  return await stores.withTransferFolder(target.assetKey, attempt.runId, async (folder) => {
    const path = join(folder, "rows.parquet");
    const other = await stores.get(kind);
    await other.exportParquet({ ...from, columns }, path, attempt);
    return await store.stageCopy(target, { format: "parquet", path }, names, attempt);
  });
}

/** The source as a store may read it by itself; `undefined`: it has to be brought. */
export function bulkSource(source: CopiedSource): BulkSource | undefined {
  switch (source.format) {
    case "parquet":
      return source;
    case "asset":
      return source.store.bulkSource(source.target, process.env);
    case "postgres": {
      const { schema, table, url: variable } = source;
      if ((process.env[variable] ?? "") === "")
        throw new MissingUrlError(`${variable} is not set: expected the URL of the database with ${schema}.${table}`);
      return tableOfPostgres({ schema, table, variable }, process.env);
    }
  }
}
