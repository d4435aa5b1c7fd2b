import { basename, extname, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { publishedFolder } from "../snapshot.ts";
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
  /** Folder for the snapshots that other programs read. */
  readonly publishedDir: string;
  /** How long a snapshot stays after the next one has taken its place. */
  readonly keepSnapshotsMs: number;
}

/**
 * Reads the configuration off the environment.
 *
 * - `DUCKDB_PATH`: the warehouse file. Default: `data/warehouse.duckdb` in the project.
 * - `DUCKDB_LOCK_TIMEOUT_SECONDS`: how long to wait for another process. Default: 300.
 * - `DUCKDB_PUBLISHED_DIR`: folder for snapshots. Default: `published` beside the warehouse.
 * - `DUCKDB_PUBLISHED_KEEP_MINUTES`: how long a snapshot outlives its successor's coming. Default: 60.
 *
 * @throws ConfigError
 */
export function duckdbConfig(projectDir: string, env: Readonly<Record<string, string | undefined>>): DuckDBConfig {
  const named = env["DUCKDB_PATH"] ?? join("data", "warehouse.duckdb");
  const path = resolve(projectDir, named);
  return {
    path,
    stagingDir: `${path}.staging`,
    lockTimeoutMs: numberOf(env, "DUCKDB_LOCK_TIMEOUT_SECONDS", 300) * 1000,
    publishedDir: publishedFolder(projectDir, env),
    keepSnapshotsMs: numberOf(env, "DUCKDB_PUBLISHED_KEEP_MINUTES", 60) * 60_000,
  };
}

function numberOf(env: Readonly<Record<string, string | undefined>>, name: string, standard: number): number {
  const value = Number(env[name] ?? standard);
  if (Number.isFinite(value) && value >= 0) return value;
  const unit = name.endsWith("_SECONDS") ? "seconds" : "minutes";
  throw new ConfigError(`${name}: expected ${unit}, 0 or more, got ${JSON.stringify(env[name])}`);
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
