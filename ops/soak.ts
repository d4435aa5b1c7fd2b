// `npm run soak`: the tests that are too long for `npm test` (`test/**/*.soak.ts`).
import path from "node:path";
import { checkout, npmBin, onStop, run } from "./process.ts";

const USAGE = `npm run soak -- [PART…] [vitest options]

Runs the tests under test/ whose names end in .soak.ts, which take minutes to hours.

  PART      a piece of a path
  --help    this text`;

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(USAGE);
} else {
  onStop();
  const config = path.join(checkout, "ops/soak/vitest.config.ts");
  process.exitCode = (await run(npmBin("vitest"), ["run", "--config", config, ...args], { show: true })).code;
}
