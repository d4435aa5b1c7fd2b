import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { literal } from "../quote.ts";
import type { Client } from "./client.ts";

/**
 * Loads an extension: the file that an environment variable names, else the one that DuckDB has installed, else that of
 * the Python package `duckdb-extension-<name>` in the project's `.venv`; nothing is downloaded.
 *
 * @returns `false` where there is none
 * @throws ConfigError
 */
export async function loadExtension(
  client: Client,
  { name, variable }: { readonly name: string; readonly variable: string },
  projectDir: string,
): Promise<boolean> {
  const named = process.env[variable] ?? "";
  if (named !== "") {
    try {
      await client.run(`LOAD ${literal(named)}`);
      return true;
    } catch (error) {
      throw new ConfigError(
        `${variable}: ${named} cannot be loaded. Expected the absolute path of ${name}.duckdb_extension ` +
          `of the same version as the engine: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }
  const inPackage = `.venv/lib/python*/site-packages/duckdb_extension_${name}/extensions/*/${name}.duckdb_extension`;
  const packaged = globSync(inPackage, { cwd: projectDir }).map((path) => join(projectDir, path));
  for (const extension of [name, ...packaged.filter(existsSync).map(literal)]) {
    try {
      await client.run(`LOAD ${extension}`);
      return true;
    } catch {
      // Not installed, or of another version.
    }
  }
  return false;
}
