// Readers during flips of the published snapshot of DuckDB, and kill -9 in the middle of publishing one
import { parseOptions } from "../../runtime/parse_options.ts";
import { flipSnapshots, killSnapshots } from "../../test/integration/duckdb/snapshot_soak.ts";
import { onStop } from "../process.ts";
import { readTimes, TIMES } from "./arguments.ts";

const USAGE = `npm run soak -- snapshots [options]

Publishes snapshots of DuckDB while three processes read them: none sees an error, rows of two snapshots, or an older one
after a newer one. Then kills the process that publishes at random moments with kill -9: readers have a whole snapshot, and
the run that follows publishes and leaves nothing behind.

  --times N     flips, and kills (default 100)
  --help        this text

Exit code 1 when one of these promises is broken.`;

const asked = parseOptions(USAGE, { options: TIMES }, ({ values }) => readTimes(values));
onStop();
if (asked !== undefined) {
  const { reads } = await flipSnapshots(asked, 3);
  console.log(`snapshots: ${reads.join(", ")} reads by three readers during ${asked} flips: no error, no mixture`);
  console.log(`snapshots: ${await killSnapshots(asked)} of ${asked} runs killed: whole snapshots only, nothing left`);
}
