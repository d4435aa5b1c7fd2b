import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { pythonBin } from "../process.ts";
import { startGuarded, type Guarded } from "./guarded.ts";

const HOST = "127.0.0.1";
const START_DEADLINE_MS = 180_000;

/** Whether something else already listens on this port. */
export function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(true);
      else reject(error);
    });
    server.listen(port, HOST, () => {
      server.close(() => {
        resolve(false);
      });
    });
  });
}

/** The address of the Dagster UI on a port. */
export const addressOf = (port: number): string => `http://${HOST}:${port}`;

/** Starts Dagster's webserver and daemon. */
export function startUi(port: number, env: NodeJS.ProcessEnv): Guarded {
  const command = [pythonBin("dagster"), "dev", "--module-name", "dagster_project.definitions"] as const;
  return startGuarded("dagster", [...command, "--host", HOST, "--port", String(port)], { env });
}

/** Waits until the UI answers. @returns false when it ended instead, or took longer than three minutes. */
export async function answers(port: number, ui: Guarded): Promise<boolean> {
  const ended = ui.ended.then(() => "ended" as const);
  const deadline = performance.now() + START_DEADLINE_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${addressOf(port)}/server_info`).catch(() => undefined);
    if (response?.ok === true) return true;
    if ((await Promise.race([ended, wait(250)])) === "ended") return false;
  }
  return false;
}
