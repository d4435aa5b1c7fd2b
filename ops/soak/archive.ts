// kill -9 in the middle of archiving and restoring, and a rerun after each
import { parseOptions } from "../../runtime/parse_options.ts";
import { killArchive } from "../../test/integration/duckdb/kill_archive.ts";
import { onStop } from "../process.ts";
import { readTimes, TIMES } from "./arguments.ts";

const USAGE = `npm run soak -- archive [options]

Kills the process of an archive at random moments with kill -9, by turns while it archives and while it restores, then runs
it again. After each kill and each rerun the view has all rows exactly once; after each rerun no file is left behind.

  --times N     kills (default 100)
  --help        this text

Exit code 1 when one of these promises is broken.`;

const asked = parseOptions(USAGE, { options: TIMES }, ({ values }) => readTimes(values));
onStop();
if (asked !== undefined)
  console.log(`archive: ${await killArchive(asked)} of ${asked} runs killed: nothing lost, doubled or left behind`);
