// `npm run soak`: what is too long for `npm test`.
import path from "node:path";
import { npmBin, onStop, run } from "./process.ts";

interface Soak {
  readonly what: string;
  readonly command: readonly [string, ...string[]];
  /** It needs a server that not everybody has, and runs by its name only. */
  readonly byName?: true;
}

const VITEST: Soak["command"] = [
  npmBin("vitest"),
  "run",
  "--config",
  path.join(import.meta.dirname, "soak/vitest.config.ts"),
];
const SERVER_TESTS = "test/integration/clickhouse/server.soak.ts";

const SOAKS: Readonly<Record<string, Soak>> = {
  kill: {
    what: "kill -9 in the middle of publishes, 100 times on each store; about 15 min",
    command: [process.execPath, path.join(import.meta.dirname, "soak/kill.ts")],
  },
  archive: {
    what: "kill -9 while cold partitions are archived and restored, 100 times; about 5 min",
    command: [process.execPath, path.join(import.meta.dirname, "soak/archive.ts")],
  },
  snapshots: {
    what: "readers during 100 flips of DuckDB's snapshots, and kill -9 while one is published; about 5 min",
    command: [process.execPath, path.join(import.meta.dirname, "soak/snapshots.ts")],
  },
  promotions: {
    what: "20.9 million rows into each store with flat memory; about 15 min",
    command: [process.execPath, path.join(import.meta.dirname, "soak/promotions.ts")],
  },
  tests: {
    what: "test/**/*.soak.ts, with options for vitest; about 12 min",
    command: [...VITEST, "--exclude", SERVER_TESTS],
  },
  clickhouse: {
    what: "the contract of stores, grants and a cluster on the server of CLICKHOUSE_URL; not a part of all",
    command: [...VITEST, SERVER_TESTS],
    byName: true,
  },
};

const USAGE = `npm run soak -- [NAME [options of that soak]]

Runs what takes too long for npm test: all of it, or

${Object.entries(SOAKS)
  .map(([name, { what }]) => `  ${name.padEnd(11)} ${what}`)
  .join("\n")}

  --help      this text; after a name, that of the soak`;

const [name, ...args] = process.argv.slice(2);
if (name === "--help" || name === "-h") {
  console.log(USAGE);
} else if (name !== undefined && SOAKS[name] === undefined) {
  console.error(`No soak "${name}".\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  onStop();
  for (const [each, { command, byName }] of Object.entries(SOAKS)) {
    if (name === undefined ? byName : name !== each) continue;
    const [program, ...own] = command;
    const { code } = await run(program, [...own, ...args], { show: true });
    if (code !== 0) process.exitCode = code;
  }
}
