import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { thisProcess, tryGetAlive } from "../process_identity.ts";
import { stagingName } from "../quote.ts";

/** Stands between the parts of a side file's folder name: table, run and process. */
const SEPARATOR = "~";

/**
 * Makes an empty folder for the side file of an asset and a run, and returns the path for the side file. The folder's
 * name says whose it is, so that no moment exists at which it has no owner.
 */
export function createSideFile(stagingDir: string, assetKey: string, runId: string): string {
  const name = [
    stagingName(assetKey, runId),
    encodeURIComponent(runId).replaceAll(SEPARATOR, "%7E"),
    thisProcess(),
  ].join(SEPARATOR);
  const folder = join(stagingDir, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return join(folder, "rows.duckdb");
}

/** Removes a side file with its folder. */
export function removeSideFile(path: string): void {
  rmSync(dirname(path), { recursive: true, force: true });
}

/**
 * Removes the side files of processes that are gone: by their PID and start time where they ran on this machine, else
 * by the state of their run. Never by age.
 *
 * @param isOpen Whether the orchestrator may still be running a run.
 */
export function removeOrphanSideFiles(stagingDir: string, isOpen: (runId: string) => boolean): void {
  if (!existsSync(stagingDir)) return;
  for (const name of readdirSync(stagingDir)) {
    const [, runId, identity] = name.split(SEPARATOR);
    if (runId === undefined || identity === undefined) continue;
    const alive = tryGetAlive(identity) ?? isOpen(decodeURIComponent(runId));
    if (!alive) rmSync(join(stagingDir, name), { recursive: true, force: true });
  }
}
