import { existsSync, linkSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { ProjectError } from "../../definitions/project_error.ts";
import { createOwnedFolder } from "../owned_folders.ts";
import { Client } from "./client.ts";
import type { DuckDBConfig } from "./config.ts";
import { openError } from "./errors.ts";

/** Of file systems that have no second name for a file; there DuckDB makes it in its place. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

/**
 * Makes an empty warehouse where there is none: it is whole from the first moment that others see it. DuckDB makes a file
 * step by step: who opens it meanwhile finds a damaged one, who looked before makes it again over what others published,
 * and a process that is killed leaves what nobody can open.
 */
export async function createFile(
  { path, stagingDir }: Pick<DuckDBConfig, "path" | "stagingDir">,
  runId: string,
): Promise<void> {
  if (existsSync(path)) return;
  let folder: string | undefined;
  try {
    folder = createOwnedFolder(stagingDir, basename(path), runId);
    const made = join(folder, "empty.duckdb");
    (await Client.open(made)).close();
    linkSync(made, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "EEXIST" || NO_LINKS.has(code)) return;
    throw error instanceof ProjectError ? error : openError(path, error);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
