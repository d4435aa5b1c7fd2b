import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProjectError } from "../definitions/project_error.ts";
import type { BulkSource, Staged } from "../resources/store.ts";
import type { CopiedSource, ResolvedAsset } from "./resolve.ts";
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
  { asset, target, stores, attempt }: Staging,
): Promise<Staged> {
  const store = await stores.get(asset.store);
  const names = new Map<string, string>(columns.map(({ target: name, source: from }) => [name, from]));
  const direct = bulkSource(source);
  if (direct !== undefined && asset.store.bulkFormats.has(direct.format))
    return await store.stageCopy(target, direct, names, attempt);
  if (source.format !== "asset") throw new TypeError(`${asset.store.name} copies no ${source.format}`);
  const folder = mkdtempSync(join(tmpdir(), "dagster-typescript-copy-"));
  try {
    const path = join(folder, "rows.parquet");
    const from = await stores.get(source.store);
    await from.exportParquet(source.target, path, attempt);
    return await store.stageCopy(target, { format: "parquet", path }, names, attempt);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The source as a store may read it by itself; `undefined`: it has to be brought. */
function bulkSource(source: CopiedSource): BulkSource | undefined {
  switch (source.format) {
    case "parquet":
      return source;
    case "asset":
      return source.store.bulkSource(source.target, process.env);
    case "postgres": {
      const url = process.env[source.url];
      if (url === undefined || url === "")
        throw new MissingUrlError(
          `${source.url} is not set: expected the URL of the database with ${source.schema}.${source.table}`,
        );
      return { format: "postgres", url, schema: source.schema, table: source.table };
    }
  }
}
