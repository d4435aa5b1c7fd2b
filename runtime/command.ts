import { inspect } from "node:util";
import { isPipesProcess } from "../pipes/index.ts";
import { endProcess } from "./end_process.ts";
import { parseOptions } from "./parse_options.ts";
import { createRedact } from "./redaction.ts";
import { runUnderDagster } from "./run_under_dagster.ts";
import { runAlone } from "./run_alone.ts";

const HELP = `Computes assets and publishes their tables.

  node runtime/main.ts [--partitions FIRST...LAST] [--full-refresh | --replay] [--restore FIRST...LAST] <schema/table>...

Launched by Dagster, it computes one asset and reports through Pipes. Without Dagster it computes all the given assets
in one process, each after those it reads, and prints a line for each; exit code 1 when one fails or is refused.

  --partitions KEY            of the assets that have partitions compute this one,
  --partitions FIRST...LAST   or those from one to another, such as 2017-01-01...2017-01-31
  --full-refresh              make tables anew to which their assets would add
  --restore KEY               of archives, bring this partition back into the table instead of archiving others;
  --restore FIRST...LAST      or those from one to another. May be said more than once
  --replay                    publish the quarantined rows that keep the contract by now, and compute nothing else
`;

const redact = createRedact(process.env);
// Node would print the error as it is, with whatever secret is in it. Pipes closes with it when the process exits.
process.on("uncaughtException", (error) => {
  process.stderr.write(`${redact(inspect(error))}\n`);
  // At once: whatever still runs must not go on to publish.
  process.exit(1);
});

const config = {
  allowPositionals: true,
  options: {
    partitions: { type: "string" },
    restore: { type: "string", multiple: true },
    "full-refresh": { type: "boolean" },
    replay: { type: "boolean", default: false },
    // Dagster may pass its two values as arguments instead of variables.
    "dagster-pipes-context": { type: "string" },
    "dagster-pipes-messages": { type: "string" },
  },
} as const;
const options = parseOptions(HELP, config, ({ positionals, values }) => {
  if (positionals.length === 0) throw new Error("No asset is named");
  return {
    keys: positionals,
    partitions: values.partitions,
    restore: values.restore ?? [],
    fullRefresh: values["full-refresh"] ?? false,
    replay: values.replay,
  };
});
if (options !== undefined) {
  if (isPipesProcess()) await runUnderDagster(options.keys, process.cwd(), redact);
  else await runAlone(options, process.cwd(), redact);
}
endProcess();
