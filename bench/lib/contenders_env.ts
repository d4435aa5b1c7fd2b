import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout, pythonBin, run } from "../../ops/process.ts";

/** An environment of Python packages of the bench's own, from a hashed lock in `bench/python`. */
interface Environment {
  readonly lock: string;
  readonly folder: string;
  readonly what: string;
}

const environment = (lock: string, folder: string, what: string): Environment => ({
  lock: path.join(checkout, "bench/python", lock),
  folder: path.join(checkout, ".state/bench", folder),
  what,
});
const CONTENDERS = environment("contenders.lock", "venv", "dbt, dagster-dbt, dlt and sling (about 800 MB)");
const SODA = environment("soda.lock", "venv_soda", "Soda Core (about 150 MB)");
const RELADIFF = environment("reladiff.lock", "venv_reladiff", "reladiff (about 100 MB)");

/** An executable of the environment with the other projects' tools, such as `dbt`. */
export const contenderBin = (name: string): string => path.join(CONTENDERS.folder, "bin", name);

/** An executable of the environment with Soda Core, which wants packages of other versions. */
export const sodaBin = (name: string): string => path.join(SODA.folder, "bin", name);

/** An executable of the environment with reladiff. */
export const reladiffBin = (name: string): string => path.join(RELADIFF.folder, "bin", name);

/** A file that a package of the contenders' environment has brought. */
export const contenderFile = (name: string): string => {
  const [found] = globSync(path.join(CONTENDERS.folder, "lib/python*/site-packages", name));
  if (found === undefined)
    throw new Error(`the environment of the contenders has no ${name}: this bench needs Linux on x86-64`);
  return found;
};

/** Installs dbt, dagster-dbt, dlt and sling into an environment of the bench's own; does nothing when they are there. */
export async function installContenders(say: (line: string) => void): Promise<void> {
  await install(CONTENDERS, say);
}

/** Installs Soda Core into an environment of its own; does nothing when it is there. */
export async function installSoda(say: (line: string) => void): Promise<void> {
  await install(SODA, say);
}

/** Installs reladiff into an environment of its own; does nothing when it is there. */
export async function installReladiff(say: (line: string) => void): Promise<void> {
  await install(RELADIFF, say);
}

async function install({ lock, folder, what }: Environment, say: (line: string) => void): Promise<void> {
  const stampFile = path.join(folder, "bench.json");
  const stamp = createHash("sha256").update(folder).update(readFileSync(lock)).digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  rmSync(folder, { recursive: true, force: true });
  await step(say, `an environment for ${what}`, [pythonBin("python"), "-m", "venv", folder]);
  const python = path.join(folder, "bin/python");
  const sync = [pythonBin("uv"), "pip", "sync", "--python", python, "--require-hashes", "--compile-bytecode", lock];
  const pip = [python, "-m", "pip", "install", "-q", "--no-input", "--no-deps", "--require-hashes", "-r", lock];
  try {
    await step(say, what, sync);
  } catch {
    // uv reads other settings than pip; see ops/setup.mjs.
    await step(say, "the same with pip, which is slower", pip);
  }
  writeFileSync(stampFile, stamp);
}

async function step(
  say: (line: string) => void,
  what: string,
  [command = "", ...args]: readonly string[],
): Promise<void> {
  say(`installing ${what} …`);
  const { code, output, seconds } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${output.slice(-4000)}`);
  say(`installed in ${seconds.toFixed(0)} s`);
}
