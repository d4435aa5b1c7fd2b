import { cpSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { checkout } from "../../ops/process.ts";

/** What a project needs besides its assets and SQL. */
const LIBRARY = ["definitions", "pipes", "resources", "runtime", "dagster_project", "package.json", "pyproject.toml"];

/** The folder in which a bench writes. */
export function benchFolder(name: string): string {
  const folder = path.join(checkout, ".state/bench", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Makes an empty folder of this name in the bench's own. */
export function freshFolder(bench: string, name: string): string {
  const folder = path.join(benchFolder(bench), name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Makes a project of the bench's own: the library as it is in this checkout, without assets. */
export function freshProject(bench: string): string {
  const project = freshFolder(bench, "project");
  for (const name of LIBRARY) {
    cpSync(path.join(checkout, name), path.join(project, name), {
      recursive: true,
      filter: (from) => path.basename(from) !== "__pycache__",
    });
  }
  for (const name of ["assets", "sql", "data"]) mkdirSync(path.join(project, name));
  for (const name of ["node_modules", ".venv", "data/completejourney"]) {
    symlinkSync(path.join(checkout, name), path.join(project, name));
  }
  return project;
}
