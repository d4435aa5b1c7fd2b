import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { thisProcess, tryGetAlive } from "./process_identity.ts";
import { stagingName } from "./quote.ts";

/** Stands between the parts of a folder's name: table, run, process and chance. */
const SEPARATOR = "~";

/**
 * Makes an empty folder for what an asset and a run keep on the disk for a while. Its name says whose it is, so that no
 * moment exists at which it has no owner.
 */
export function createOwnedFolder(parent: string, assetKey: string, runId: string): string {
  const name = [
    stagingName(assetKey, runId),
    encodeURIComponent(runId).replaceAll(SEPARATOR, "%7E"),
    thisProcess(),
    // A run may stage several partitions of an asset at once.
    randomBytes(4).toString("hex"),
  ].join(SEPARATOR);
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Removes the folders of processes that are gone: by their PID and start time where they ran on this machine, else by
 * the state of their run. Never by age.
 *
 * @param isOpen Whether the orchestrator may still be running a run.
 */
export function removeOrphanFolders(parent: string, isOpen: (runId: string) => boolean): void {
  for (const { folder } of findOrphanFolders(parent, isOpen)) rmSync(folder, { recursive: true, force: true });
}

/** The folders of processes that are gone, as {@link removeOrphanFolders} finds them, and what they were made for. */
export function findOrphanFolders(
  parent: string,
  isOpen: (runId: string) => boolean,
): { readonly folder: string; readonly runId: string }[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent).flatMap((name) => {
    const [, encoded, identity] = name.split(SEPARATOR);
    if (encoded === undefined || identity === undefined) return [];
    const runId = decodeURIComponent(encoded);
    const alive = tryGetAlive(identity) ?? isOpen(runId);
    return alive ? [] : [{ folder: join(parent, name), runId }];
  });
}
