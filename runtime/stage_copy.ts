import { join } from "node:path";
import { ProjectError } from "../definitions/project_error.ts";
import type { BulkSource, Staged } from "../resources/store.ts";
import { tableOfPostgres } from "../resources/stores.ts";
import type { AssetSource, CopiedSource } from "./copied_source.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { Staging } from "./stage.ts";

/** A copy from a database whose URL nobody gave. */
export class MissingUrlError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/**
 * Copies a file or a table, by the shortest way that the two stores have: the one reads from the other by itself, or
 * both meet in a Parquet file, which is gone when the rows are staged.
 *
 * @throws MissingUrlError
 */
export async function stageCopy(
  { source, columns }: Extract<ResolvedAsset["body"], { kind: "copy" }>,
  staging: Omit<Staging, "cursor" | "inTurn">,
): Promise<Staged> {
  const { asset, target, stores, attempt } = staging;
  const store = await stores.get(asset.store);
  const names = new Map<string, string>(columns.map(({ target: name, source: from }) => [name, from]));
  const direct = bulkSource(source);
  if (direct !== undefined && asset.store.bulkFormats.has(direct.format))
    return await store.stageCopy(target, direct, names, attempt);
  if (source.format !== "asset") throw new TypeError(`${asset.store.name} copies no ${source.format}`);
  return await stageByFile(source, names, staging);
}

/** The columns that the copy reads go through a Parquet file, with the types of the other asset's contract. */
async function stageByFile(
  { target: from, store: kind }: AssetSource,
  names: ReadonlyMap<string, string>,
  { asset, target, stores, attempt }: Omit<Staging, "cursor" | "inTurn">,
): Promise<Staged> {
  const store = await stores.get(asset.store);
  const wanted = new Set(target.columns.map(({ name }) => names.get(name) ?? name));
  const columns = from.columns.filter(({ name }) => wanted.has(name));
  return await stores.withTransferFolder(target.assetKey, attempt.runId, async (folder) => {
    const path = join(folder, "rows.parquet");
    const other = await stores.get(kind);
    await other.exportParquet({ ...from, columns }, path, attempt);
    return await store.stageCopy(target, { format: "parquet", path }, names, attempt);
  });
}

/** The source as a store may read it by itself; `undefined`: it has to be brought. */
function bulkSource(source: CopiedSource): BulkSource | undefined {
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
