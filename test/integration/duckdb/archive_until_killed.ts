/**
 * Archives or restores ten days, two at a time, and says on standard output how far it is; for who kills it meanwhile.
 * Arguments: folder of the warehouse, `move` or `restore`.
 */
import { join } from "node:path";
import { timestamp, z } from "../../../definitions/index.ts";
import type { ArchivePartition } from "../../../resources/archive.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, targetOf } from "./warehouse.ts";

export const DAYS = 10;
export const SOURCE: Target = targetOf({ id: z.int(), at: timestamp() }, "a/events");
const DAY_MS = 86_400_000;

/** The n-th day of 2017. */
export function day(n: number): ArchivePartition {
  const start = new Date(Date.UTC(2017, 0, n));
  const window = { start, end: new Date(start.getTime() + DAY_MS) };
  return { key: start.toISOString().slice(0, 10), window, rows: { kind: "window", column: "at", ...window } };
}

const [folder = "", what = ""] = process.argv.slice(2);
// Imported for what it exports, it does nothing.
if (what === "move" || what === "restore") await main(folder, what);

async function main(dir: string, way: "move" | "restore"): Promise<void> {
  const store = await duckdb.open(dir, { DUCKDB_PATH: join(dir, "warehouse.duckdb") });
  if (store.withArchive === undefined) throw new TypeError("no archive");
  const target = { ...SOURCE, assetKey: "a/all", table: "all" };
  // Files of restored partitions go at once.
  const now = new Date(way === "move" ? "2100-01-01" : "2026-01-01");
  const job = { source: SOURCE, target, column: "at", to: "cold", now, isOpen: () => false };
  say("began");
  await store.withArchive(job, attempt(), async (archive) => {
    await archive.tidy();
    if (way === "move") {
      for (let n = 1; n <= DAYS; n += 2) {
        if (((await archive.firstHot(day(n).window.start)) ?? now) < day(n + 2).window.start)
          await archive.move([day(n), day(n + 1)]);
      }
    } else {
      for (const file of await archive.cold()) await archive.restore([file]);
    }
  });
  await store.close();
  say("done");
}

function say(word: string): void {
  process.stdout.write(`${word}\n`);
}
