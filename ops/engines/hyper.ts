import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withDataFolder } from "./data_folder.ts";
import type { Engine, HyperOptions } from "./engine.ts";
import { EngineFault } from "./engine_fault.ts";
import { runEngine } from "./engine_process.ts";
import { installEngine } from "./install.ts";
import { query } from "./postgres.ts";

const USER = "hyper";

/** Starts Hyper (`hyperd`) with one database file, `warehouse.hyper` in the data folder. */
export async function startHyper(options: HyperOptions): Promise<Engine> {
  const home = await installEngine("hyper");
  const hyperd = path.join(home, "python/tableauhyperapi/bin/hyper/hyperd");
  return withDataFolder(options.dataDir, (folder) => {
    const database = path.join(folder.path, "warehouse.hyper");
    if (/[?#]/.test(database)) {
      // `pg` decodes the path of a URL with `decodeURI`, which leaves these two as they are.
      throw new EngineFault("data_folder_not_writable", `A URL of Hyper cannot name ${database}: it holds ? or #.`);
    }
    // It asks for the password of the first user twice.
    const passwordFile = path.join(folder.path, "hyperd_password");
    writeFileSync(passwordFile, `${folder.password}\n${folder.password}\n`, { mode: 0o600 });
    const settings = { "log-config": "", ...options.settings };
    const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    return runEngine(folder, {
      name: "hyper",
      port: options.port ?? 0,
      command: (port) => [
        "/bin/sh",
        "-c",
        'exec "$@" < "$0"',
        passwordFile,
        hyperd,
        "run",
        "--skip-license",
        `--init-user=${USER}`,
        `--listen-connection=tcp.libpq://127.0.0.1:${port === 0 ? "auto" : port}`,
        ...flags,
      ],
      portInLog: /listening to 127\.0\.0\.1:(\d+)/,
      signals: "SIGTERM:30000,SIGKILL:5000",
      url: (port) => urlOf(port, folder.password, database),
      ping: async (url) => {
        if (!existsSync(database)) {
          await query(
            urlOf(Number(new URL(url).port), folder.password, ""),
            `CREATE DATABASE ${quote(database)} WITH VERSION 3`,
          );
        }
        await query(url, "SELECT 1");
      },
    });
  });
}

/** The database of Hyper is a path. An empty one names the server itself. */
function urlOf(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${encodeURI(database)}`;
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
