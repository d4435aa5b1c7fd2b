// Where Superset keeps charts, users and all else: a PostgreSQL of its own. (On SQLite a table's name can be used once.)
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout } from "../../process.ts";
import { withSetUpLock } from "../../set_up/lock.mjs";
import { step } from "../../set_up/step.mjs";
import type { DataFolder } from "../data_folder.ts";
import type { Engine } from "../engine.ts";
import { EngineFault } from "../engine_fault.ts";
import { plainEnvironment } from "../engine_process.ts";
import { installEngine } from "../install.ts";
import { startPostgres } from "../postgres.ts";

const PREPARE = path.join(import.meta.dirname, "prepare.py");
/** Says with which version of Superset the metadata were prepared. */
const STAMP = "prepared";
const CLUSTER = "metadata";

/** Metadata as a new Superset has them, in `folder`. */
export interface Template {
  readonly home: string;
  readonly folder: string;
  readonly digest: string;
}

/** Starts the metadata of a data folder. */
export function startMetadata(dataDir: string): Promise<Engine> {
  return startPostgres({
    dataDir: path.join(dataDir, CLUSTER),
    database: "superset",
    settings: { shared_buffers: "64MB", max_wal_size: "256MB", work_mem: "8MB" },
  });
}

/** Makes the template unless it is there. */
export async function templateOf(home: string, environment: (url: string) => NodeJS.ProcessEnv): Promise<Template> {
  const digest = createHash("sha256")
    .update(readFileSync(path.join(home, "set_up.json")))
    .update(readFileSync(PREPARE))
    .digest("hex");
  const folder = path.join(home, "template");
  const template = { home, folder, digest };
  if (isPrepared(template, folder)) return template;
  // Before the lock, which it takes itself.
  await installEngine("postgres");
  await withSetUpLock(checkout, async () => {
    if (isPrepared(template, folder)) return;
    const unfinished = `${folder}.unfinished`;
    for (const each of [folder, unfinished]) rmSync(each, { recursive: true, force: true });
    const postgres = await startMetadata(unfinished);
    try {
      await prepare(template, unfinished, environment(postgres.url));
    } finally {
      await postgres.stop();
    }
    renameSync(unfinished, folder);
  });
  return template;
}

/**
 * Gives a data folder its metadata.
 * @returns false where it has some already
 */
export function copyTemplate(template: Template, folder: DataFolder): boolean {
  const target = path.join(folder.path, CLUSTER);
  if (existsSync(target)) return false;
  const unfinished = `${target}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  // `cp` keeps the owner: as root, the files belong to another user.
  const copied = spawnSync("cp", ["-a", path.join(template.folder, CLUSTER), unfinished], { encoding: "utf8" });
  if (copied.status !== 0) {
    throw new EngineFault("engine_failed", `Superset's metadata could not be copied to ${target}: ${copied.stderr}`);
  }
  rmSync(path.join(unfinished, "log"), { force: true });
  renameSync(unfinished, target);
  cpSync(path.join(template.folder, STAMP), path.join(folder.path, STAMP));
  return true;
}

/** Brings metadata of an earlier version up to date; does nothing to those of this one. */
export async function upgrade(template: Template, folder: DataFolder, env: NodeJS.ProcessEnv): Promise<void> {
  if (!isPrepared(template, folder.path)) await prepare(template, folder.path, env);
}

async function prepare(template: Template, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const python = path.join(template.home, "env/bin/python");
  await step(checkout, "Superset's metadata", python, [PREPARE], { ...plainEnvironment(), ...env });
  writeFileSync(path.join(folder, STAMP), template.digest);
}

function isPrepared({ digest }: Template, folder: string): boolean {
  const stamp = path.join(folder, STAMP);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
}
