import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { MissingFolderError } from "./errors.ts";
import { globPattern } from "./glob.ts";
import type { ListedFile, Listing } from "./listing.ts";

/** To read larger files would take longer than a tick may; their size and time stand for their content. */
const MAX_HASHED_BYTES = 256 * 1024 * 1024;

/** The files of a local folder. */
export function listFolder(folder: string, pattern: string, projectDir: string): Listing {
  const root = resolve(projectDir, folder);
  const wanted = globPattern(pattern);
  return {
    place: root,
    isAtomic: false,
    list: async (signal) => {
      const entries = await readdir(root, {
        recursive: pattern.includes("/") || pattern.includes("**"),
        withFileTypes: true,
      }).catch((error: unknown) => {
        if (isMissing(error)) throw new MissingFolderError(`the folder ${root} does not exist`, { cause: error });
        throw error;
      });
      const found: ListedFile[] = [];
      for (const entry of entries) {
        signal.throwIfAborted();
        const path = join(entry.parentPath, entry.name);
        const name = relative(root, path).split(sep).join("/");
        if (entry.isDirectory() || !wanted.test(name)) continue;
        const file = await tryGetFile(path, name);
        if (file !== undefined) found.push(file);
      }
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    identify: async (file, signal) => {
      const path = join(root, file.name);
      let content = `${file.sizeBytes}-${file.modifiedAt.getTime()}`;
      if (file.sizeBytes <= MAX_HASHED_BYTES) {
        const hash = createHash("sha256");
        try {
          for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
        } catch (error) {
          signal.throwIfAborted();
          if (isMissing(error)) return undefined;
          throw error;
        }
        content = hash.digest("hex");
      }
      // What was read is a mixture when somebody wrote meanwhile.
      return (await tryGetFile(path, file.name))?.mark === file.mark ? content : undefined;
    },
  };
}

/** `undefined`: no file, or it vanished since it was listed. */
async function tryGetFile(path: string, name: string): Promise<ListedFile | undefined> {
  try {
    const status = await stat(path, { bigint: true });
    if (!status.isFile()) return undefined;
    return {
      name,
      sizeBytes: Number(status.size),
      modifiedAt: new Date(Number(status.mtimeMs)),
      // A file that takes the place of another may have its size and its time.
      mark: `${status.size}-${status.mtimeNs}-${status.ino}`,
      // A copy keeps the time of its content; the other one is that of its name.
      arrivedAt: new Date(Number(status.mtimeMs > status.ctimeMs ? status.mtimeMs : status.ctimeMs)),
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
