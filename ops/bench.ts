// `npm run bench -- NAME`: runs `bench/<name>.ts`.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { onStop, run } from "./process.ts";

const [name, ...args] = process.argv.slice(2);
const names = globSync("bench/*.ts")
  .map((file) => path.basename(file, ".ts"))
  .sort();

if (name === undefined || name === "--help") {
  console.log(usage());
} else if (!names.includes(name)) {
  console.error(`No bench "${name}".\n\n${usage()}`);
  process.exitCode = 2;
} else {
  onStop();
  // The garbage collector on call, for those that measure memory.
  const { code } = await run(process.execPath, ["--expose-gc", `bench/${name}.ts`, ...args], { show: true });
  process.exitCode = code;
}

function usage(): string {
  const lines = names.map((each) => `  ${each.padEnd(10)} ${titleOf(each)}`);
  return `npm run bench -- NAME [options of that bench]

Runs all contenders of one bench, interleaved; prints a table and, as its last line, one JSON object.

${lines.length > 0 ? lines.join("\n") : "  (none yet: bench/<name>.ts)"}`;
}

/** The first comment of the file says what it measures. */
function titleOf(each: string): string {
  return /^\/\/ ?(.*)$/m.exec(readFileSync(`bench/${each}.ts`, "utf8"))?.[1] ?? "";
}
