import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { z } from "zod";
import { asText } from "../definitions/as_text.ts";
import type { Log } from "../definitions/body.ts";
import { endProcess } from "./end_process.ts";
import { findTrigger } from "./find_trigger.ts";
import type { Watermarks } from "./watermarks.ts";
import { parseOptions } from "./parse_options.ts";
import { createRedact } from "./redaction.ts";
import { terminationSignal } from "./termination.ts";
import { evaluateTick, type Tables } from "./tick.ts";
import type { TickResult } from "./tick_result.ts";
import { startWatchdog } from "./watchdog.ts";

const HELP = `Evaluates one tick of a sensor or schedule; Dagster starts it.

  node runtime/evaluate.ts <folder/name> <folder for the answer>

Reads one line of JSON from standard input, which must then stay open: the process ends when it closes. Writes log.jsonl
and result.json into the folder. dagster_project/tick.py is the other side.
`;

/** Lines of the log that a tick may write; more say nothing more, and slow the daemon down. */
const MAX_LOG_LINES = 1_000;
const MAX_LOG_LENGTH = 10_000;
const STACK_LINES = 8;

const inputSchema = z.strictObject({
  now: z.iso.datetime({ offset: true }),
  cursor: z.string().nullable(),
  scheduled_at: z.iso.datetime({ offset: true }).nullable(),
  materializations: z.array(
    z.strictObject({
      asset: z.string(),
      partition: z.string().nullable(),
      data_version: z.string().nullable(),
      changed: z.boolean(),
      run_id: z.string(),
      at: z.iso.datetime({ offset: true }),
    }),
  ),
});

const redact = createRedact(process.env);
const places = parseOptions(HELP, { allowPositionals: true }, ({ positionals: [key, folder, ...others] }) => {
  if (key === undefined || folder === undefined || others.length > 0)
    throw new Error("Expected the key of a sensor or schedule, and a folder");
  return { key, folder };
});
if (places !== undefined) await main(places.key, places.folder);

async function main(key: string, folder: string): Promise<void> {
  const write = (answer: { readonly result: TickResult } | { readonly error: object }): void => {
    writeFileSync(join(folder, "result.json"), JSON.stringify(answer), { flag: "wx", mode: 0o600 });
  };
  const fail = (error: unknown): void => {
    write({ error: describeError(error) });
    endProcess(1);
  };
  process.once("uncaughtException", fail);
  const input = inputSchema.parse(JSON.parse(readLine()));
  startWatchdog();
  const signal = terminationSignal();
  const projectDir = process.cwd();
  const log = openLog(folder);
  let watermarks: Watermarks | undefined;
  const open = async (): Promise<Watermarks> => {
    // Few sensors read tables; loading what knows the stores takes a tenth of a tick.
    watermarks ??= new (await import("./watermarks.ts")).Watermarks(projectDir, signal, log);
    return watermarks;
  };
  const tables: Tables = {
    maxOf: async (table, column) => await (await open()).maxOf(table, column),
    arrivals: async (table, query) => await (await open()).arrivals(table, query),
    lastPublishes: async (asset, keys) => await (await open()).lastPublishes(asset, keys),
  };
  try {
    const result = await evaluateTick(
      await findTrigger(key, projectDir),
      {
        cursor: input.cursor,
        scheduledAt: input.scheduled_at === null ? null : new Date(input.scheduled_at),
        materializations: input.materializations.map(({ data_version, run_id, at, ...rest }) => ({
          ...rest,
          dataVersion: data_version,
          runId: run_id,
          at: new Date(at),
        })),
      },
      { signal, log, now: new Date(input.now), projectDir, ...tables },
    );
    await watermarks?.close();
    write({ result: redactSkip(result) });
    endProcess(0);
  } catch (error) {
    fail(error);
  }
}

/** The first line, and nothing of what may follow: the watchdog waits for the end. */
function readLine(): string {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.alloc(65_536);
    const size = readSync(0, piece);
    if (size === 0) throw new Error("Standard input closed before its first line ended");
    const end = piece.subarray(0, size).indexOf("\n");
    pieces.push(piece.subarray(0, end === -1 ? size : end));
    if (end !== -1) return Buffer.concat(pieces).toString("utf8");
  }
}

/** Line by line and at once: what was logged before a tick was killed says why. */
function openLog(folder: string): Log {
  const file = openSync(join(folder, "log.jsonl"), "wx", 0o600);
  let lines = 0;
  const logAt =
    (level: string) =>
    (message: string): void => {
      lines += 1;
      if (lines > MAX_LOG_LINES) return;
      const text = lines === MAX_LOG_LINES ? "… and more, which is left out" : redact(asText(message));
      writeSync(file, `${JSON.stringify({ level, message: text.slice(0, MAX_LOG_LENGTH) })}\n`);
    };
  process.on("exit", () => {
    closeSync(file);
  });
  return { debug: logAt("debug"), info: logAt("info"), warning: logAt("warning"), error: logAt("error") };
}

/** People read it; keys and tags are what they are. */
function redactSkip(result: TickResult): TickResult {
  return { ...result, skip: result.skip === null ? null : redact(result.skip) };
}

function describeError(error: unknown): { name: string; message: string; stack: string } {
  if (!(error instanceof Error)) return { name: "Error", message: redact(inspect(error)), stack: "" };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return {
    name: error.name,
    message: redact(`${error.message}${cause}`),
    stack: redact(frames.slice(0, STACK_LINES).join("\n")),
  };
}
