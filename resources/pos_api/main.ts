import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parseInstant } from "./page_request.ts";
import { startPosApi } from "./server.ts";

const USAGE = `Usage: node resources/pos_api/main.ts [options]

Serves the reference data as a point-of-sale API on 127.0.0.1; prints {"url":"…"} on one line when it is ready.

  --port N         port; 0 means any free one (default 8787)
  --data FILE      the Parquet file of the transactions (default data/completejourney/transactions.parquet)
  --now TIME       where the API's clock stands, such as 2017-06-01T00:00:00Z: what head office receives later is not
                   there until the clock is moved, curl -X PUT 'URL/v1/clock?now=…' (default: after all lines)
  --inbox DIR      put the files of the days that have ended there
  --watch-stdin    end when standard input ends, so as not to outlive the process that started it
  --help           this text
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8787" },
      data: { type: "string", default: "data/completejourney/transactions.parquet" },
      now: { type: "string" },
      inbox: { type: "string" },
      "watch-stdin": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
    process.stderr.write(`--port is not a port: ${JSON.stringify(values.port)}\n${USAGE}`);
    return 2;
  }
  const ended = Promise.withResolvers<undefined>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      ended.resolve(undefined);
    });
  }
  if (values["watch-stdin"]) {
    process.stdin.once("close", () => {
      ended.resolve(undefined);
    });
    process.stdin.resume();
  }
  const api = await startPosApi({
    parquetPath: values.data,
    port: Number(values.port),
    now: values.now === undefined ? undefined : parseInstant("--now", values.now),
    inbox:
      values.inbox === undefined
        ? undefined
        : { folder: values.inbox, parquetPath: join(dirname(values.data), "coupon_redemptions.parquet") },
  });
  process.stdout.write(`${JSON.stringify({ url: api.url })}\n`);
  await ended.promise;
  await api.close();
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`point-of-sale API: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// Standard input may still be open.
process.exit();
