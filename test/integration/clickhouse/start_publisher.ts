import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { checkout, npmBin } from "../../../ops/process.ts";

const PUBLISHER = path.join(import.meta.dirname, "publisher.ts");

/** A process that publishes once. */
export interface Publisher {
  readonly child: ChildProcess;
  /** Resolves when the process is about to talk to the store. */
  readonly begun: Promise<void>;
  /** The last line that it wrote, when it has ended. */
  readonly ended: Promise<string>;
}

/** Starts `publisher.ts` on an engine. */
export function startPublisher(clickhouseUrl: string, job: object): Publisher {
  const child = spawn(npmBin("node"), [PUBLISHER, JSON.stringify(job)], {
    cwd: checkout,
    env: { ...process.env, CLICKHOUSE_URL: clickhouseUrl },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = "";
  const lines = createInterface({ input: child.stdout });
  const begun = once(lines, "line").then(() => undefined);
  lines.on("line", (line) => (last = line));
  return { child, begun, ended: once(child, "close").then(() => last) };
}
