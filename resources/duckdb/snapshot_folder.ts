import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { mkdir, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type PublishedTable, SNAPSHOT_FILE, SnapshotError } from "../snapshot.ts";

const LINK = "current";
const FILES = "files";
const CONTENTS = "snapshot.json";
/** Begins the name of what is not whole yet, and of a link that is about to be flipped. */
const UNFINISHED = ".unfinished-";
/** Time and chance; later ones sort behind. */
const ID = /^\d{8}T\d{9}Z-[0-9a-f]{8}$/;
/** The present one, and one that a reader may just have opened. */
const KEEP_AT_LEAST = 2;

const contents = z.strictObject({
  version: z.string(),
  source: z.string(),
  checkedAt: z.string(),
  folder: z.string(),
  tables: z.array(
    z.strictObject({
      schema: z.string(),
      table: z.string(),
      timeColumn: z.string().nullable(),
      rowCount: z.string(),
      version: z.string(),
      files: z.array(z.string()),
      runs: z.array(z.string()),
    }),
  ),
});

/** What a snapshot holds; a file beside the views says so. */
export interface Contents {
  readonly version: string;
  /** The warehouse that it is of. */
  readonly source: string;
  /** When the warehouse was last found to be as here, or became so here; nobody wrote it then. */
  readonly checkedAt: string;
  /** The folder that its views name. */
  readonly folder: string;
  readonly tables: readonly PublishedTable[];
}

/**
 * The folder of the published snapshots: `<id>/warehouse.duckdb` with its contents, `files/` with the Parquet files that
 * they share, and the link `current`. Only for whoever holds the warehouse, so by one process at a time.
 */
export class SnapshotFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Absolute path of a Parquet file. */
  fileOf(name: string): string {
    return join(this.#folder, FILES, name);
  }

  /** What readers find now; `undefined`: nothing, or nothing whole. */
  current(): { readonly id: string; readonly contents: Contents } | undefined {
    const link = join(this.#folder, LINK);
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return undefined;
    const id = readlinkSync(link);
    const found = this.#read(id);
    if (found === undefined || !existsSync(join(this.#folder, id, SNAPSHOT_FILE))) return undefined;
    return { id, contents: found };
  }

  /**
   * Removes what killed runs left.
   *
   * @param source The warehouse: another one's snapshots are left alone.
   * @throws SnapshotError
   */
  async tidy(source: string): Promise<void> {
    await mkdir(join(this.#folder, FILES), { recursive: true });
    const owner = this.current()?.contents.source ?? source;
    if (owner !== source && existsSync(owner))
      throw new SnapshotError(
        `${this.#folder} holds the snapshots of ${owner}: name another folder for those of ${source}, in DUCKDB_PUBLISHED_DIR`,
      );
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(UNFINISHED)) await rm(join(this.#folder, name), { recursive: true, force: true });
    for (const name of this.#files())
      if (name.split("/").at(-1)?.startsWith(UNFINISHED) === true) await rm(this.fileOf(name), { force: true });
  }

  /** Puts a Parquet file there, whole or not at all; returns its bytes, 0 where it was there. */
  async put(name: string, fill: (path: string) => Promise<void>): Promise<number> {
    const path = this.fileOf(name);
    if (existsSync(path)) return 0;
    const unfinished = join(dirname(path), `${UNFINISHED}${name.split("/").at(-1) ?? ""}`);
    await mkdir(dirname(path), { recursive: true });
    await fill(unfinished);
    await sync(unfinished);
    await rename(unfinished, path);
    await sync(dirname(path));
    await sync(dirname(dirname(path)));
    return statSync(path).size;
  }

  /** Whether all the files of a snapshot are there. */
  isWhole({ folder, tables }: Contents): boolean {
    return folder === this.#folder && tables.every(({ files }) => files.every((name) => existsSync(this.fileOf(name))));
  }

  /**
   * Makes a snapshot and shows it to readers, in one moment; returns its id.
   *
   * @param fill Writes the file with the views at a path, and proves it.
   */
  async publish(now: Date, made: Omit<Contents, "folder">, fill: (path: string) => Promise<void>): Promise<string> {
    const id = `${now.toISOString().replaceAll(/[-:.]/g, "")}-${made.version.slice(0, 8)}`;
    const unfinished = join(this.#folder, `${UNFINISHED}${id}`);
    await mkdir(unfinished);
    await fill(join(unfinished, SNAPSHOT_FILE));
    await writeFile(join(unfinished, CONTENTS), textOf({ ...made, folder: this.#folder }));
    for (const name of [SNAPSHOT_FILE, CONTENTS, "."]) await sync(join(unfinished, name));
    await rename(unfinished, join(this.#folder, id));
    // Relative: the whole folder may be moved, or mounted elsewhere.
    const link = join(this.#folder, `${UNFINISHED}${LINK}`);
    await symlink(id, link);
    await rename(link, join(this.#folder, LINK));
    await sync(this.#folder);
    return id;
  }

  /** Writes down which runs the present snapshot has the rows of: of data that did not change, another run may be. */
  async note(id: string, contents: Contents): Promise<void> {
    const unfinished = join(this.#folder, `${UNFINISHED}${CONTENTS}`);
    await writeFile(unfinished, textOf(contents));
    await rename(unfinished, join(this.#folder, id, CONTENTS));
  }

  /** Removes snapshots that readers left long enough ago, then the files that only those had. Returns how many. */
  async retire(now: Date, keepMs: number): Promise<number> {
    const present = this.current()?.id;
    const ids = readdirSync(this.#folder).filter((name) => ID.test(name)).sort(); // prettier-ignore
    const kept = new Set(ids.slice(-KEEP_AT_LEAST));
    for (const [index, id] of ids.entries()) {
      const next = ids[index + 1];
      // It was what readers found until the next one was there.
      if (next === undefined || id === present || now.getTime() - timeOf(next) < keepMs) kept.add(id);
    }
    const old = ids.filter((id) => !kept.has(id));
    for (const id of old) await rm(join(this.#folder, id), { recursive: true, force: true });
    const used = new Set<string>();
    for (const id of kept) {
      const found = this.#read(id);
      // Nobody knows what it needs.
      if (found === undefined) return old.length;
      for (const { files } of found.tables) for (const name of files) used.add(name);
    }
    for (const name of this.#files()) if (!used.has(name)) await rm(this.fileOf(name), { force: true });
    return old.length;
  }

  #files(): string[] {
    return readdirSync(join(this.#folder, FILES), { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [join(entry.parentPath, entry.name).slice(join(this.#folder, FILES).length + 1)] : [],
    );
  }

  #read(id: string): Contents | undefined {
    const path = join(this.#folder, id, CONTENTS);
    if (!existsSync(path)) return undefined;
    try {
      return contents.parse(JSON.parse(readFileSync(path, "utf8")));
    } catch {
      return undefined;
    }
  }
}

function textOf(made: Contents): string {
  return JSON.stringify(made, null, 1);
}

function timeOf(id: string): number {
  const [, day = "", time = ""] = /^(\d{8})T(\d{9})Z/.exec(id) ?? [];
  const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
  return Date.parse(`${date}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}.${time.slice(6)}Z`);
}

/** Until it is on the disk. */
async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
