import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installPython } from "../../../ops/engines/install_python.ts";
import { checkout } from "../../../ops/process.ts";

/** Installs an extension of DuckDB's where it is missing, apart from all that users install; returns the file. */
export async function installExtension(name: "postgres_scanner" | "httpfs"): Promise<string> {
  const lock = join(import.meta.dirname, `${name}.lock`);
  const pattern = `python/**/${name}.duckdb_extension`;
  const digest = createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 16);
  const folder = join(checkout, ".state", "test", `${name}_${digest}`);
  if (globSync(pattern, { cwd: folder }).length === 0) {
    mkdirSync(join(checkout, ".state", "test"), { recursive: true });
    const unfinished = mkdtempSync(`${folder}.`);
    await installPython(unfinished, `DuckDB's ${name}`, lock);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  }
  const [file] = globSync(pattern, { cwd: folder });
  if (file === undefined) throw new Error(`no extension in ${folder}`);
  return join(folder, file);
}
