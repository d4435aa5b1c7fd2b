// `npm run check`: everything that can be said about the code without running it.
import { availableParallelism } from "node:os";
import { existsSync } from "node:fs";
import { styleText } from "node:util";
import { parseOptions } from "../runtime/parse_options.ts";
import { npmBin, onStop, pythonBin, run } from "./process.ts";

const USAGE = `npm run check -- [STEP…]

Format, lint, types and the faults of the asset graph. Prints the output of what failed only.

  STEP      a piece of a step's name, such as lint or Python; several: any of them
  --help    this text

npm run format writes what the format and lint steps can repair.`;

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** The longest first: two run at a time, so the short ones fill the gaps. */
const STEPS: readonly Step[] = [
  { name: "lint TypeScript", command: [npmBin("eslint"), "--max-warnings=0", "."] },
  { name: "types TypeScript", command: [npmBin("tsc"), "--project", "."] },
  { name: "types Python", command: [npmBin("pyright")] },
  { name: "format TypeScript", command: [npmBin("prettier"), "--check", "--log-level=warn", "."] },
  { name: "lint Python", command: [pythonBin("ruff"), "check", "."] },
  { name: "format Python", command: [pythonBin("ruff"), "format", "--check", "."] },
  { name: "asset graph", command: [process.execPath, "runtime/manifest.ts", "--check"] },
];

const parts = parseOptions(USAGE, { allowPositionals: true }, ({ positionals }) => positionals);
if (parts !== undefined) {
  onStop();
  process.exitCode = await checkAll(parts);
}

async function checkAll(parts: readonly string[]): Promise<number> {
  const steps = STEPS.filter(({ name, command }) => {
    const isThere = command[1] !== "runtime/manifest.ts" || existsSync(command[1]);
    return isThere && (parts.length === 0 || parts.some((part) => name.toLowerCase().includes(part.toLowerCase())));
  });
  if (steps.length === 0) {
    console.error(`No step matches ${parts.join(", ")}. Steps: ${STEPS.map(({ name }) => name).join(", ")}`);
    return 1;
  }
  const waiting = [...steps];
  let failures = 0;
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const [command, ...args] = step.command;
      const { code, output, seconds } = await run(command, args);
      const mark = code === 0 ? styleText("green", "ok    ") : styleText("red", "failed");
      console.log(`${mark} ${step.name.padEnd(18)} ${seconds.toFixed(1).padStart(6)} s`);
      if (code === 0) continue;
      failures += 1;
      console.log(`${output.trimEnd() || `(no output, exit code ${code})`}\n`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  if (failures > 0) console.log(`${failures} of ${steps.length} steps failed`);
  return failures > 0 ? 1 : 0;
}
