import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ArchivePlaceError } from "./archive.ts";
import { StatementError } from "./errors.ts";

/** Where the files of an archive are. */
export interface ArchivePlace {
  /** What a reader of the store opens. */
  readonly uri: (name: string) => string;
  /**
   * Puts a new file there, whole or not at all, to stay whatever happens to the machine.
   *
   * @param fill Writes the file at a path.
   */
  readonly put: (name: string, fill: (path: string) => Promise<void>) => Promise<FileState>;
  /** The bytes of those of the files that are there; `null` where it takes long to ask. */
  readonly sizes: (names: readonly string[]) => Promise<ReadonlyMap<string, number | null>>;
  /** Reads the whole file; `null` where that is not done. */
  readonly sha256: (name: string) => Promise<string | null>;
  /** Removes a file, and what a killed process left of it; `null`: nothing is removed there, but written over. */
  readonly remove: ((name: string) => Promise<void>) | null;
}

/** A file by its content. */
export interface FileState {
  readonly bytes: number;
  /** In hexadecimal; `null` where it is not known. */
  readonly sha256: string | null;
}

/** The name of a new file: its folder says the partition, as Hive has it, and no other file is ever called so. */
export function newFileName(partition: string): string {
  return `partition=${partition.replaceAll(/[^0-9A-Za-z-]/g, "")}/${randomBytes(12).toString("hex")}.parquet`;
}

/** Ends the name of a file that is not whole yet. */
const UNFINISHED = ".unfinished";

/** An archive in a folder. */
export function archiveFolder(projectDir: string, to: string): ArchivePlace {
  const folder = resolve(projectDir, to);
  const pathOf = (name: string): string => join(folder, name);
  return {
    uri: pathOf,
    put: async (name, fill) => {
      const path = pathOf(name);
      const made = await mkdir(dirname(path), { recursive: true });
      await fill(`${path}${UNFINISHED}`);
      await sync(`${path}${UNFINISHED}`);
      await rename(`${path}${UNFINISHED}`, path);
      await sync(dirname(path));
      // New folders are names in the folders above them.
      for (let above = dirname(path); made !== undefined && above.length >= made.length; above = dirname(above))
        await sync(dirname(above));
      return await stateOf(path);
    },
    sizes: async (names) => {
      const found = new Map<string, number>();
      for (const name of names) {
        const size = (await missing(stat(pathOf(name))))?.size;
        if (size !== undefined) found.set(name, size);
      }
      return found;
    },
    sha256: async (name) => (await missing(stateOf(pathOf(name))))?.sha256 ?? "",
    remove: async (name) => {
      await rm(pathOf(name), { force: true });
      await rm(`${pathOf(name)}${UNFINISHED}`, { force: true });
      // Other files of the partition may be in it.
      await rmdir(dirname(pathOf(name))).catch(() => undefined);
    },
  };
}

/** Writes a file, and says of what fails at its place what to do. @throws ArchivePlaceError */
export async function inPlace<T>(
  { assetKey, to, signal }: { readonly assetKey: string; readonly to: string; readonly signal: AbortSignal },
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    signal.throwIfAborted();
    const engine = error instanceof StatementError && error.cause instanceof Error ? error.cause : null;
    const isPlace =
      engine === null ? error instanceof Error && "syscall" in error : engine.message.startsWith("IO Error");
    if (!isPlace) throw error;
    const message = (engine ?? (error as Error)).message;
    throw new ArchivePlaceError(
      `${assetKey}: nothing could be written to ${to}, so nothing was archived and all rows are where they were: ` +
        `${message}. Make room there, or let this user write there`,
      { cause: error },
    );
  }
}

async function stateOf(path: string): Promise<FileState> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

async function missing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
