// One Superset for a whole run of vitest, started when the first test asks for it. See `local_superset.ts`.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";

declare module "vitest" {
  /** What the tests are told by the process that runs them. */
  interface ProvidedContext {
    /** Socket that gives a {@link SharedSuperset}. */
    readonly supersetSocket: string;
  }
}

/** Where the Superset of this run is. */
export interface SharedSuperset {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** The administrator. */
  readonly username: string;
  readonly password: string;
  /** Of its cache, with the password. */
  readonly redisUrl: string;
  readonly logFile: string;
}

/** Called by vitest before the first test. @returns what it calls after the last */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "superset-"));
  const engines: Engine[] = [];
  let starting: Promise<SharedSuperset> | undefined;
  const server = createServer((socket) => {
    starting ??= start(folder, engines);
    starting.then(
      (superset) => socket.end(JSON.stringify({ superset })),
      (error: unknown) => socket.end(JSON.stringify({ fault: String(error) })),
    );
  });
  const socketFile = join(folder, "socket");
  await new Promise<void>((resolve) => server.listen(socketFile, resolve));
  project.provide("supersetSocket", socketFile);
  return async () => {
    server.close();
    await starting?.catch(() => undefined);
    for (const engine of engines.reverse()) await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

async function start(folder: string, engines: Engine[]): Promise<SharedSuperset> {
  const redis = await startEngine("redis", { dataDir: join(folder, "redis") });
  engines.push(redis);
  const superset = await startEngine("superset", { dataDir: join(folder, "superset"), redisUrl: redis.url });
  engines.push(superset);
  const { url, username, password, logFile } = superset;
  return { url, username, password, redisUrl: redis.url, logFile };
}
