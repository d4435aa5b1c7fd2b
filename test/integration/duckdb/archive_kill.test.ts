import { expect, test } from "vitest";
import { killArchive } from "./kill_archive.ts";

/** `npm run soak -- archive` has more. */
const KILLS = 4;

test("whenever its process is killed, a rerun archives or restores all: no row lost or doubled, no file left", async () => {
  expect(await killArchive(KILLS)).toBeGreaterThan(0);
});
