import { mkdirSync } from "node:fs";
import path from "node:path";
import { withDataFolder } from "./data_folder.ts";
import type { ClickHouseOptions, Engine } from "./engine.ts";
import { runEngine } from "./engine_process.ts";
import { installEngine } from "./install.ts";

const SERVER = path.join(import.meta.dirname, "clickhouse/main.ts");
const DEFAULT_QUERIES = 8;

/** Starts ClickHouse: the engine of chDB behind our own HTTP front, in a process of its own. See `clickhouse/main.ts`. */
export async function startClickHouse(options: ClickHouseOptions): Promise<Engine> {
  const home = await installEngine("clickhouse");
  return withDataFolder(options.dataDir, (folder) => {
    const data = path.join(folder.path, "data");
    mkdirSync(data, { recursive: true });
    const maxQueries = options.maxQueries ?? DEFAULT_QUERIES;
    return runEngine(folder, {
      name: "clickhouse",
      port: options.port ?? 0,
      command: (port) => {
        const { configFile } = options;
        return [process.execPath, SERVER, JSON.stringify({ home, folder: folder.path, port, maxQueries, configFile })];
      },
      portInLog: /listening on 127\.0\.0\.1:(\d+)/,
      signals: "SIGTERM:30000,SIGKILL:5000",
      // Each running query holds a thread of this pool; files and compression need some more.
      env: { UV_THREADPOOL_SIZE: String(maxQueries + 4) },
      url: (port) => `http://default:${folder.password}@127.0.0.1:${port}`,
      ping: async (url) => {
        const { origin } = new URL(url);
        const answer = await fetch(`${origin}/ping`, { signal: AbortSignal.timeout(10_000) });
        if (!answer.ok) throw new Error(`/ping answered ${answer.status}`);
      },
    });
  });
}
