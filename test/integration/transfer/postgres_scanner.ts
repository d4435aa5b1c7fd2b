import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installPython } from "../../../ops/engines/install_python.ts";
import { checkout } from "../../../ops/process.ts";

const LOCK = join(import.meta.dirname, "postgres_scanner.lock");
const FILE = "python/**/postgres_scanner.duckdb_extension";

/** Installs DuckDB's extension where it is missing, apart from all that users install; returns the file. */
export async function installScanner(): Promise<string> {
  const digest = createHash("sha256").update(readFileSync(LOCK)).digest("hex").slice(0, 16);
  const folder = join(checkout, ".state", "test", `postgres_scanner_${digest}`);
  if (globSync(FILE, { cwd: folder }).length === 0) {
    mkdirSync(join(checkout, ".state", "test"), { recursive: true });
    const unfinished = mkdtempSync(`${folder}.`);
    await installPython(unfinished, "DuckDB's postgres_scanner (15 MB)", LOCK);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  }
  const [file] = globSync(FILE, { cwd: folder });
  if (file === undefined) throw new Error(`no extension in ${folder}`);
  return join(folder, file);
}
