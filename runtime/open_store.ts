import type { Store } from "../resources/store.ts";

/** Opens the project's store on first use: an asset without a table never loads a driver. */
export function lazyStore(projectDir: string): {
  readonly get: () => Promise<Store>;
  readonly close: () => Promise<void>;
} {
  let opened: Promise<Store> | undefined;
  return {
    get: () => (opened ??= openDuckDB(projectDir)),
    close: async () => {
      await (await opened)?.close();
    },
  };
}

async function openDuckDB(projectDir: string): Promise<Store> {
  const [{ DuckDBStore }, { duckdbConfig }] = await Promise.all([
    import("../resources/duckdb/duckdb_store.ts"),
    import("../resources/duckdb/config.ts"),
  ]);
  return new DuckDBStore(duckdbConfig(projectDir, process.env), projectDir);
}
