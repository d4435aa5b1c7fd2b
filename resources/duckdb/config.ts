import { basename, extname, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import type { Target } from "../store.ts";
import { AmbiguousSchemaError } from "./errors.ts";

/** Where the warehouse is and how long to wait for it. */
export interface DuckDBConfig {
  /** Absolute path of the warehouse file. */
  readonly path: string;
  /** Folder for the side files, in which rows are staged; on the same disk as the warehouse. */
  readonly stagingDir: string;
  /** How long to wait while another process has the file open. */
  readonly lockTimeoutMs: number;
}

/**
 * Reads the configuration off the environment.
 *
 * - `DUCKDB_PATH`: the warehouse file. Default: `data/warehouse.duckdb` in the project.
 * - `DUCKDB_LOCK_TIMEOUT_SECONDS`: how long to wait for another process. Default: 300.
 *
 * @throws ConfigError
 */
export function duckdbConfig(projectDir: string, env: Readonly<Record<string, string | undefined>>): DuckDBConfig {
  const named = env["DUCKDB_PATH"] ?? join("data", "warehouse.duckdb");
  const path = resolve(projectDir, named);
  const seconds = Number(env["DUCKDB_LOCK_TIMEOUT_SECONDS"] ?? "300");
  if (!Number.isFinite(seconds) || seconds < 0) {
    throw new ConfigError(
      `DUCKDB_LOCK_TIMEOUT_SECONDS: expected seconds, 0 or more, got ${JSON.stringify(env["DUCKDB_LOCK_TIMEOUT_SECONDS"])}`,
    );
  }
  return { path, stagingDir: `${path}.staging`, lockTimeoutMs: seconds * 1000 };
}

/**
 * DuckDB cannot tell a schema from the file's catalog where both have the same name.
 *
 * @throws AmbiguousSchemaError
 */
export function requireOtherName(path: string, { assetKey, schema }: Pick<Target, "assetKey" | "schema">): void {
  // DuckDB calls a file's catalog by its base name without extension.
  const catalog = basename(path, extname(path));
  if (schema.toLowerCase() !== catalog.toLowerCase()) return;
  throw new AmbiguousSchemaError(
    `${assetKey}: DuckDB takes the schema ${schema} for the file ${path}, which it calls ${catalog}: ` +
      "give the file another name, in DUCKDB_PATH",
  );
}
