// `npm start`: materializes the whole graph through Dagster, shows what came of it, serves the Dagster UI.
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { styleText } from "node:util";
import { parseOptions } from "../runtime/parse_options.ts";
import { parseInstant } from "../resources/pos_api/page_request.ts";
import { EngineFault } from "./engines/engine_fault.ts";
import { checkout, onStop } from "./process.ts";
import { startGuarded } from "./start/guarded.ts";
import { planFirstRun } from "./start/first_run.ts";
import { buildManifest } from "./start/manifest.ts";
import { materializeAll } from "./start/materialize.ts";
import { isGood, table } from "./start/report.ts";
import { chooseSuperset, type ChosenSuperset, supersetNodes } from "./start/superset.ts";
import { addressOf, answers, isTaken, startUi } from "./start/ui.ts";
import { asWarehouse, chooseWarehouse, serversToStart, startServer, tellUnanswered } from "./start/warehouse.ts";

const USAGE = `npm start -- [options]

Materializes all assets in one Dagster run, prints what came of it, then serves the Dagster UI until Ctrl-C.

  --once      end after the table; exit code 0 only if every asset and every blocking check passed
  --port N    port of the Dagster UI (default 3000)
  --warehouse duckdb | postgres | clickhouse | hyper
              where the tables are (default: what WAREHOUSE says, else duckdb). Schemas that WAREHOUSE puts
              elsewhere (WAREHOUSE=duckdb,marts=clickhouse) and assets that choose a store themselves stay there
  --now TIME  where the clock of the point-of-sale API stands, such as 2017-06-01T00:00:00Z: what is later is not there
              yet, until you move the clock (default: after everything)
  --without-superset
              leave Superset out, with its datasets and dashboards
  --help      this text

DUCKDB_PATH names another warehouse file (default data/warehouse.duckdb). DATABASE_URL, CLICKHOUSE_URL and HYPER_URL name
a server of yours; without, each that an asset's table is in is installed on first use and started on this machine. So
is Superset, unless SUPERSET_URL names one of yours, with SUPERSET_USERNAME and SUPERSET_PASSWORD (docs/superset.md).
Dagster keeps its runs in .state/dagster_home, logs are in .state/logs.`;

interface Options {
  readonly once: boolean;
  readonly port: number;
  /** What `WAREHOUSE` is to be. */
  readonly warehouse: string | undefined;
  /** `undefined`: after everything. */
  readonly now: Date | undefined;
  readonly withSuperset: boolean;
}

const HOME = path.resolve(".state/dagster_home");

/** Ended in reverse order. */
const started: { readonly stop: () => Promise<unknown> }[] = [];
const stopping = new AbortController();
const isStopping = (): boolean => stopping.signal.aborted;

const options = readOptions();
if (options !== undefined) {
  onStop((code) => {
    if (isStopping()) return; // Ctrl-C twice: the guards already climb from SIGINT to SIGKILL
    stopping.abort();
    console.log("\nStopping …");
    void end().then(() => process.exit(code));
  });
  const code = await start(options);
  // A stop that is under way ends the process itself.
  if (!isStopping()) {
    await end();
    process.exitCode = code;
  }
}

function readOptions(): Options | undefined {
  const config = {
    options: {
      once: { type: "boolean", default: false },
      port: { type: "string", default: "3000" },
      warehouse: { type: "string" },
      now: { type: "string" },
      "without-superset": { type: "boolean", default: false },
    },
  } as const;
  return parseOptions(USAGE, config, ({ values }) => {
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new Error(`--port takes a number from 1 to 65535, not "${values.port}"`);
    }
    const warehouse = chooseWarehouse(asWarehouse(values.warehouse), process.env["WAREHOUSE"]);
    return {
      once: values.once,
      port,
      warehouse,
      now: values.now === undefined ? undefined : parseInstant("--now", values.now),
      withSuperset: !values["without-superset"],
    };
  });
}

async function start({ once, port, warehouse, now, withSuperset }: Options): Promise<number> {
  if (!once && (await isTaken(port))) {
    console.error(`Port ${port} is taken (by another npm start?). Choose one: npm start -- --port ${port + 1}`);
    return 1;
  }
  const env = environment();
  if (warehouse !== undefined) env["WAREHOUSE"] = warehouse;
  // What is in Superset leads back to it.
  env["DAGSTER_URL"] ??= addressOf(port);
  const fault = await prepareStores(env);
  if (isStopping()) return 130;
  if (fault !== undefined) {
    console.error(fault);
    return 1;
  }

  const api = await startPosApi(env, now);
  if (api === undefined) return 1;
  env["POS_API_URL"] = api;

  const ofSuperset = supersetNodes("manifest.json");
  const superset = await chooseSuperset(env, ofSuperset.length > 0, withSuperset);
  started.push(...superset.engines);
  if (isStopping()) return 130;

  console.log("Materializing all assets in one Dagster run (the first one starts in a few seconds)");
  const firstRun = planFirstRun("manifest.json", now ?? new Date(), superset.url === undefined ? ofSuperset : []);
  if (firstRun.left.length > 0) {
    console.log(`Not in it, having other partitions: ${firstRun.left.join(", ")}. Backfill them in the UI`);
  }
  const { launch, report: pending } = await materializeAll(HOME, firstRun, env);
  started.push(launch);
  const report = await pending;
  if (isStopping()) return 130;
  if (report === undefined) {
    console.error(`\nDagster could not start a run:\n${launch.tail()}\nAll of it: ${launch.logFile}`);
    return 1;
  }
  console.log(`\n${table(report)}\n`);
  if (!isGood(report)) {
    console.error(`Run ${report.run_id} ended with ${report.status}. Its log: ${launch.logFile}`);
  }
  const code = isGood(report) ? 0 : 1;
  return once ? code : await serve(port, env, code, api, superset);
}

/**
 * Builds the manifest, with a server for each store that an asset's table is in.
 *
 * @returns why nothing can be run
 */
async function prepareStores(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  console.log("Building the manifest of the assets");
  let built = await buildManifest(env, stopping.signal);
  const servers = serversToStart(built.stores, env);
  if (built.isSound && servers.length > 0) {
    for (const server of servers) {
      if (isStopping()) return undefined;
      try {
        started.push(await startServer(server, env));
      } catch (error) {
        if (error instanceof EngineFault) return `Nothing was run: ${server} did not start. ${error.message}`;
        throw error;
      }
    }
    // Now that all servers are there, their SQL can be proven.
    built = await buildManifest(env, stopping.signal);
  }
  if (!built.isSound) return `${built.text}\nNothing was run: the faults above come first.`;
  const unanswered = tellUnanswered(built.stores, env);
  if (unanswered === undefined && built.text !== "") console.error(built.text);
  return unanswered;
}

async function serve(
  port: number,
  env: NodeJS.ProcessEnv,
  code: number,
  api: string,
  superset: ChosenSuperset,
): Promise<number> {
  console.log("Starting the Dagster UI");
  const ui = startUi(port, env);
  started.push(ui);
  if (await answers(port, ui)) {
    console.log(`
${styleText("bold", `Dagster is at ${addressOf(port)}`)}
  the asset graph    ${addressOf(port)}/asset-groups
  its log            ${ui.logFile}
  the tills' clock   curl ${api}/v1/clock${tellSuperset(superset)}
Now change a file under assets/ or sql/, reload the definitions in the UI and materialize it again.
Ctrl-C stops everything.`);
    const exit = await ui.ended;
    if (isStopping()) return code;
    console.error(`\nDagster ended by itself (exit code ${exit}):\n${ui.tail()}`);
  } else if (!isStopping()) {
    console.error(`\nThe Dagster UI does not answer on ${addressOf(port)}:\n${ui.tail()}\nAll of it: ${ui.logFile}`);
  }
  return 1;
}

function tellSuperset({ url, login }: ChosenSuperset): string {
  if (url === undefined) return "";
  return `\n${styleText("bold", `Superset is at ${url}`)}${login === "" ? "" : `\n  log in             ${login}`}`;
}

/** Prepares the Dagster instance and the environment of everything that runs in it. */
function environment(): NodeJS.ProcessEnv {
  mkdirSync(HOME, { recursive: true });
  copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(HOME, "dagster.yaml"));
  mkdirSync("data", { recursive: true });
  return { ...process.env, DAGSTER_HOME: HOME, DAGSTER_DG_UPDATE_CHECK_ENABLED: "0", PYTHONUNBUFFERED: "1" };
}

/** Starts the local point-of-sale API, from which `retail/raw_events` is read, and which fills the inbox. @returns its address */
async function startPosApi(env: NodeJS.ProcessEnv, now: Date | undefined): Promise<string | undefined> {
  let found: (url: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => (found = resolve));
  const script = path.resolve("resources/pos_api/main.ts");
  const clock = now === undefined ? [] : ["--now", now.toISOString()];
  const inbox = ["--inbox", env["INBOX_DIR"] ?? "data/inbox"];
  const api = startGuarded("pos_api", [process.execPath, script, "--port", "0", ...inbox, ...clock], {
    env,
    onLine: (line) => {
      const url = /"url":\s*"([^"]+)"/.exec(line)?.[1];
      if (url !== undefined) found(url);
    },
  });
  started.push(api);
  const url = await Promise.race([address, api.ended.then(() => undefined)]);
  if (url === undefined && !isStopping()) console.error(`The point-of-sale API did not start:\n${api.tail()}`);
  return url;
}

async function end(): Promise<void> {
  for (const each of started.splice(0).reverse()) await each.stop();
}
