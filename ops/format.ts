// `npm run format`: writes what the format and lint steps of `npm run check` can repair.
import { parseOptions } from "../runtime/parse_options.ts";
import { npmBin, onStop, pythonBin, run } from "./process.ts";

const USAGE = `npm run format

Writes what can be repaired by itself: ESLint and Ruff fixes, Prettier and Ruff layout.

  --help    this text`;

// One after the other: the linters may rewrite what the formatters then lay out.
const commands: readonly (readonly [string, ...string[]])[] = [
  [npmBin("eslint"), "--fix", "."],
  [npmBin("prettier"), "--write", "--log-level=warn", "."],
  [pythonBin("ruff"), "check", "--fix", "--quiet", "."],
  [pythonBin("ruff"), "format", "--quiet", "."],
];
if (parseOptions(USAGE, {}, () => true) === true) {
  onStop();
  for (const [command, ...args] of commands) {
    const { code } = await run(command, args, { show: true });
    if (code !== 0) process.exitCode = 1;
  }
}
