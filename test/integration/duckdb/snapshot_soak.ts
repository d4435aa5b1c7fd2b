import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { quickFolder } from "../quick_folder.ts";

const PUBLISH = join(import.meta.dirname, "publish_snapshots.ts");
const READ = join(import.meta.dirname, "read_snapshots.ts");

/** What readers saw of flips. */
export interface Flips {
  /** By each reader. */
  readonly reads: readonly number[];
  /** Generations that some reader saw. */
  readonly seen: number;
}

/**
 * Publishes so many snapshots while real readers, each in a process of its own, read as fast as they can.
 *
 * @throws Error when a reader failed, or saw rows of two snapshots, or an older one after a newer one
 */
export async function flipSnapshots(times: number, readers: number): Promise<Flips> {
  return await inFolder(async (folder) => {
    await publish(folder, 1, 1);
    const path = join(folder, "published", "current", "warehouse.duckdb");
    const running = Array.from({ length: readers }, () => start([READ, path]));
    await publish(folder, 2, times + 1);
    const said = await Promise.all(
      running.map(async (reader) => {
        reader.child.stdin?.end();
        await expectEnd(reader);
        return reader.lines();
      }),
    );
    return {
      reads: said.map((lines) => Number(lines.at(-1)?.split(" ")[1])),
      seen: new Set(said.flatMap((lines) => lines.slice(0, -1))).size,
    };
  });
}

/**
 * Kills publishing at random moments with kill -9. After each kill readers have a whole snapshot, not older than the last
 * that was said; after the run that follows, the new one, and the folder holds nothing that nobody needs.
 *
 * @returns how many of the runs were killed; the others were quicker
 * @throws Error that says what was broken
 */
export async function killSnapshots(times: number): Promise<number> {
  return await inFolder(async (folder) => {
    let killed = 0;
    let quickestMs = await publish(folder, 1, 1);
    for (let kill = 0; kill < times; kill += 1) {
      const generation = kill * 10 + 2;
      const running = start([PUBLISH, folder, String(generation), String(generation + 2)]);
      await once(running.child.stdout ?? running.child, "data");
      // Three of them, so that most kills meet one of the later steps too.
      const timer = setTimeout(() => running.child.kill("SIGKILL"), quickestMs * 3 * Math.random());
      const [code] = (await once(running.child, "close")) as [number | null];
      clearTimeout(timer);
      if (code === null) killed += 1;
      else await expectEnd(running);
      const said = Number(running.lines().at(-1));
      await expectRead(folder, Number.isNaN(said) ? generation - 8 : said);
      quickestMs = Math.min(quickestMs, await publish(folder, generation + 3, generation + 3));
      await expectRead(folder, generation + 3);
      // What is still kept for readers of before goes a second later.
      expectTidy(folder);
    }
    return killed;
  });
}

/** A reader that begins now sees a whole snapshot of a generation or a later one. */
async function expectRead(folder: string, atLeast: number): Promise<void> {
  const reader = start([READ, join(folder, "published", "current", "warehouse.duckdb")]);
  await once(reader.child.stdout ?? reader.child, "data");
  reader.child.stdin?.end();
  await expectEnd(reader);
  const seen = Number(reader.lines()[0]);
  if (!(seen >= Math.max(1, atLeast))) throw new Error(`readers see generation ${seen}, ${atLeast} was published`);
}

/** Nothing unfinished is there, no file that no snapshot names, and no snapshot that misses one. */
function expectTidy(folder: string): void {
  const published = join(folder, "published");
  const unfinished = globSync("**/.unfinished*", { cwd: published });
  if (unfinished.length > 0) throw new Error(`left behind: ${unfinished.join()}`);
  const named = globSync("*/snapshot.json", { cwd: published })
    .filter((path) => !path.startsWith("current"))
    .flatMap((path) => {
      const text = readFileSync(join(published, path), "utf8");
      return (JSON.parse(text) as { tables: { files: string[] }[] }).tables.flatMap(({ files }) => files);
    });
  const found = globSync("**/*.parquet", { cwd: join(published, "files") });
  const [a, b] = [[...new Set(named)].sort().join(), found.sort().join()];
  if (a !== b) throw new Error(`${readlinkSync(join(published, "current"))}: named ${a}, found ${b}`);
}

/** @returns how long it worked on one generation, in ms */
async function publish(folder: string, first: number, last: number): Promise<number> {
  const running = start([PUBLISH, folder, String(first), String(last)]);
  await once(running.child.stdout ?? running.child, "data");
  const began = performance.now();
  await expectEnd(running);
  return (performance.now() - began) / (last - first + 1);
}

interface Running {
  readonly child: ChildProcess;
  readonly lines: () => string[];
  readonly ended: Promise<number | null>;
  readonly stderr: () => string;
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = once(child, "close").then(([code]) => code as number | null);
  return { child, ended, lines: () => stdout.split("\n").filter((line) => line !== ""), stderr: () => stderr };
}

async function expectEnd({ ended, stderr }: Running): Promise<void> {
  if ((await ended) !== 0) throw new Error(`a process that nobody killed failed:\n${stderr()}`);
}

async function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = quickFolder("snapshots-");
  try {
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
