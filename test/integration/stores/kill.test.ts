import { expect, test } from "vitest";
import { killAndRerun, killCases } from "./kill.ts";
import { openStore, STORE_NAMES } from "./open_store.ts";
import { raceForOnePartition } from "./race.ts";

/** Kills of each store, and one of each case; `npm run soak -- kill` has more. */
const KILLS = 10;
const RACES = 2;

test.each(STORE_NAMES)(
  "%s: whenever its process is killed, a rerun makes the table exact, readers see whole publishes, and of runs at once the last one stands",
  { timeout: 900_000 },
  async (name) => {
    const open = await openStore(name);
    try {
      const cases = killCases(open);
      const kills = Math.max(KILLS, cases.length);
      for (const [index, one] of cases.entries()) {
        const times = Math.floor((kills * (index + 1)) / cases.length) - Math.floor((kills * index) / cases.length);
        const { reads } = await killAndRerun(open, one, times);
        if (open.hasReaders) expect(reads).toBeGreaterThan(0);
      }
      await raceForOnePartition(open, RACES);
    } finally {
      await open.close();
    }
  },
);
