import { inspect, parseArgs } from "node:util";
import { isPipesProcess } from "../pipes/index.ts";
import { createRedact } from "./redaction.ts";
import { runUnderDagster } from "./run_under_dagster.ts";
import { runAlone } from "./run_alone.ts";

const HELP = `Computes assets and publishes their tables.

  node runtime/main.ts <schema/table>...

Launched by Dagster, it computes one asset and reports through Pipes. Without Dagster it computes all the given assets
in one process, each after those it reads, and prints a line for each; exit code 1 when one fails or is refused.
`;

const redact = createRedact(process.env);
// Node would print the error as it is, with whatever secret is in it. Pipes closes with it when the process exits.
process.on("uncaughtException", (error) => {
  process.stderr.write(`${redact(inspect(error))}\n`);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    // Dagster may pass its two values as arguments instead of variables.
    "dagster-pipes-context": { type: "string" },
    "dagster-pipes-messages": { type: "string" },
  },
});
if (values.help) process.stdout.write(HELP);
else if (positionals.length === 0) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else if (isPipesProcess()) await runUnderDagster(positionals, process.cwd(), redact);
else await runAlone(positionals, process.cwd(), redact);
// A timer or a connection that a body left behind must not keep a step alive that is over.
process.exit();
