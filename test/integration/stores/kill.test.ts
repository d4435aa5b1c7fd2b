import { expect, test } from "vitest";
import { dealKills, killAndRerun, killCases } from "./kill.ts";
import { killReplays } from "./kill_replay.ts";
import { openStore, STORE_NAMES } from "./open_store.ts";
import { raceForOnePartition } from "./race.ts";

/** Kills of each store, and one of each case; `npm run soak -- kill` has more. */
const KILLS = 10;
const RACES = 2;
const REPLAYS = 1;

test.each(STORE_NAMES)(
  "%s: whenever its process is killed, a rerun makes the table exact, readers see whole publishes, and of runs at once the last one stands",
  { timeout: 900_000 },
  async (name) => {
    const open = await openStore(name);
    try {
      const cases = killCases(open);
      const inTime = { staging: 0, publishing: 0 };
      for (const { one, kills } of dealKills(Math.max(KILLS, cases.length), cases)) {
        const { reads, staging, publishing } = await killAndRerun(open, one, kills);
        if (open.hasReaders) expect(reads).toBeGreaterThanOrEqual(kills.length);
        inTime.staging += staging;
        inTime.publishing += publishing;
      }
      // A run that was quicker than its kill proves nothing.
      expect(inTime.staging).toBeGreaterThan(0);
      expect(inTime.publishing).toBeGreaterThan(0);
      await raceForOnePartition(open, RACES);
      // With transactions and without them; the soak has the others.
      if (name === "duckdb" || name === "clickhouse") await killReplays(open, REPLAYS);
    } finally {
      await open.close();
    }
  },
);
