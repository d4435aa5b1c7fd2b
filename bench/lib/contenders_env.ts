import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout, pythonBin, run } from "../../ops/process.ts";

const LOCK = path.join(checkout, "bench/python/contenders.lock");
const VENV = path.join(checkout, ".state/bench/venv");
const STAMP = path.join(VENV, "bench.json");

/** An executable of the environment with the other projects' tools, such as `dbt`. */
export const contenderBin = (name: string): string => path.join(VENV, "bin", name);

/** A file that a package of that environment has brought. */
export const contenderFile = (name: string): string => {
  const [found] = globSync(path.join(VENV, "lib/python*/site-packages", name));
  if (found === undefined)
    throw new Error(`the environment of the contenders has no ${name}: this bench needs Linux on x86-64`);
  return found;
};

/** Installs dbt, dagster-dbt, dlt and sling into an environment of the bench's own; does nothing when they are there. */
export async function installContenders(say: (line: string) => void): Promise<void> {
  const stamp = createHash("sha256").update(VENV).update(readFileSync(LOCK)).digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp) return;
  rmSync(VENV, { recursive: true, force: true });
  await step(say, "an environment for dbt, dagster-dbt, dlt and sling", [pythonBin("python"), "-m", "venv", VENV]);
  const python = contenderBin("python");
  const sync = [pythonBin("uv"), "pip", "sync", "--python", python, "--require-hashes", "--compile-bytecode", LOCK];
  const pip = [python, "-m", "pip", "install", "-q", "--no-input", "--no-deps", "--require-hashes", "-r", LOCK];
  try {
    await step(say, "dbt, dagster-dbt, dlt and sling (about 800 MB)", sync);
  } catch {
    // uv reads other settings than pip; see ops/setup.mjs.
    await step(say, "the same with pip, which is slower", pip);
  }
  writeFileSync(STAMP, stamp);
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
