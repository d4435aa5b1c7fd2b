// Runs one engine until it is interrupted: `node ops/engines/main.ts postgres --data-dir .state/engines/data/postgres`.
import path from "node:path";
import { parseArgs } from "node:util";
import { onStop } from "../process.ts";
import type { Engine, EngineName, LocalSuperset } from "./engine.ts";
import { EngineFault } from "./engine_fault.ts";
import { startEngine } from "./start_engine.ts";

const USAGE = `node ops/engines/main.ts ENGINE --data-dir DIR [--port N] [--target URL]

Starts postgres, clickhouse, hyper, pgbouncer, redis or superset on 127.0.0.1, prints its URL on a line alone, and runs until Ctrl-C.

  --data-dir   folder of the engine's own; what is in it from an earlier start is there again
  --port       default: any free one
  --target     the PostgreSQL behind pgbouncer`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "data-dir": { type: "string" }, port: { type: "string" }, target: { type: "string" } },
});
const name = positionals[0];
const dataDir = values["data-dir"];
if (!isEngine(name) || dataDir === undefined || (name === "pgbouncer" && values.target === undefined)) {
  console.error(USAGE);
  process.exit(2);
}
try {
  const engine = await start(name, dataDir);
  onStop((code) => void engine.stop().then(() => process.exit(code)));
  console.log(engine.url);
  if ("username" in engine) console.error(`user ${engine.username}, password in ${path.join(dataDir, "password")}`);
  await engine.ended;
  console.error(`${name} has ended; its log: ${engine.logFile}`);
  process.exitCode = 1;
} catch (error) {
  if (!(error instanceof EngineFault)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}

function start(engine: EngineName, folder: string): Promise<Engine | LocalSuperset> {
  const options = { dataDir: folder, port: Number(values.port ?? 0) };
  return engine === "pgbouncer"
    ? startEngine(engine, { ...options, target: values.target ?? "" })
    : startEngine(engine, options);
}

function isEngine(text: string | undefined): text is EngineName {
  return text !== undefined && ["postgres", "clickhouse", "hyper", "pgbouncer", "redis", "superset"].includes(text);
}
