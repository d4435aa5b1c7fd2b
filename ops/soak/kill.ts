// kill -9 in the middle of publishes, and a rerun after each
import { dealKills, killAndRerun, killCaseName, killCases } from "../../test/integration/stores/kill.ts";
import { killReplays } from "../../test/integration/stores/kill_replay.ts";
import { openStore, type StoreName } from "../../test/integration/stores/open_store.ts";
import { parseOptions } from "../../runtime/parse_options.ts";
import { onStop } from "../process.ts";
import { readStores, readTimes, soakFailed, TIMES } from "./arguments.ts";

const USAGE = `npm run soak -- kill [options]

Kills the process of a publish at random moments with kill -9, then runs it again, on real engines and with every write
strategy; so are replays of quarantined rows. After each rerun no row is lost, doubled or partial; in the end no staging
is left behind; and who looked at the table meanwhile saw whole publishes only.

  --times N     kills of each store (default 100)
  --store NAME  this store only; can be repeated
  --help        this text

Exit code 1 when one of these promises is broken.`;

const config = { options: { ...TIMES, store: { type: "string", multiple: true } } } as const;
const asked = parseOptions(USAGE, config, ({ values }) => ({
  times: readTimes(values),
  stores: readStores(values.store),
}));
onStop();
for (const name of asked?.stores ?? []) {
  await killStore(name, asked?.times ?? 0).catch((error: unknown) => {
    soakFailed(name, error);
  });
}

async function killStore(name: StoreName, times: number): Promise<void> {
  const open = await openStore(name);
  try {
    const sum = { staging: 0, publishing: 0, finished: 0, reads: 0 };
    for (const { one, kills } of dealKills(times, killCases(open))) {
      if (kills.length === 0) continue;
      const report = await killAndRerun(open, one, kills);
      sum.staging += report.staging;
      sum.publishing += report.publishing;
      sum.finished += report.finished;
      sum.reads += report.reads;
      console.log(`${name}: ${killCaseName(one)}: ${kills.length} kills, nothing wrong`);
    }
    const replays = Math.ceil(times / 5);
    const ended = await killReplays(open, replays);
    console.log(`${name}: replays of quarantined rows: ${ended} of ${replays} killed in time, nothing wrong`);
    console.log(
      `${name}: ${times} kills (${sum.staging} while staging, ${sum.publishing} while publishing, ${sum.finished} too late), ` +
        `${sum.reads} looks at the tables: nothing lost, doubled, partial or left behind`,
    );
  } finally {
    await open.close();
  }
}
