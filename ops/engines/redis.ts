import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import path from "node:path";
import { withDataFolder } from "./data_folder.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { runEngine } from "./engine_process.ts";
import { findProgram } from "./install_debian.ts";
import { installEngine } from "./install.ts";

const PROGRAM = "redis-server";

/** Starts Redis as a cache: it keeps nothing on the disk and throws out what was not used for longest. */
export async function startRedis(options: EngineOptions): Promise<Engine> {
  const home = await installEngine("redis");
  const { command, libraries } = findProgram(home, PROGRAM);
  return withDataFolder(options.dataDir, (folder) => {
    const config = path.join(folder.path, "redis.conf");
    return runEngine(folder, {
      name: "redis",
      port: options.port ?? 0,
      command: (port) => {
        // In a file: the command line is everybody's to read.
        writeFileSync(config, configuration(port, folder.password), { mode: 0o600 });
        return [command, config];
      },
      env: libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(path.delimiter) },
      signals: "SIGTERM:3000,SIGKILL:5000",
      url: (port) => `redis://:${folder.password}@127.0.0.1:${port}/0`,
      ping,
    });
  });
}

function configuration(port: number, password: string): string {
  return `bind 127.0.0.1
port ${port}
requirepass ${password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
daemonize no
`;
}

/** @see https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands */
async function ping(url: string): Promise<void> {
  const { port, password } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write(`AUTH ${password}\r\nPING\r\n`);
    let answer = "";
    for await (const chunk of socket) {
      answer += String(chunk);
      if (answer.includes("+PONG\r\n")) return;
      if (answer.includes("-")) break;
    }
    throw new Error(`Redis answered ${JSON.stringify(answer)}`);
  } finally {
    socket.destroy();
  }
}
