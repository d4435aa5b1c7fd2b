import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withDataFolder } from "./data_folder.ts";
import type { Engine, PgBouncerOptions } from "./engine.ts";
import { runEngine } from "./engine_process.ts";
import { findProgram } from "./install_debian.ts";
import { installEngine } from "./install.ts";
import { query } from "./postgres.ts";
import { unprivileged } from "./unprivileged.ts";

/** Starts PgBouncer in transaction mode in front of a PostgreSQL: a server connection belongs to a client for one transaction. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<Engine> {
  const home = await installEngine("pgbouncer");
  const { command, libraries } = findProgram(home, "pgbouncer");
  return withDataFolder(options.dataDir, (folder) => {
    const target = new URL(options.target);
    const config = path.join(folder.path, "config");
    mkdirSync(config, { recursive: true, mode: 0o700 });
    const user = unprivileged(command, config);
    const users = path.join(config, "users.txt");
    const ini = path.join(config, "pgbouncer.ini");
    const account = [target.username, target.password].map((text) => quoteUser(decodeURIComponent(text)));
    const write = (file: string, text: string): void => {
      writeFileSync(file, text, { mode: 0o600 });
      user.giveAway(file);
    };
    write(users, `${account.join(" ")}\n`);
    return runEngine(folder, {
      name: "pgbouncer",
      port: options.port ?? 0,
      command: (port) => {
        write(ini, configuration(target, port, users, options.poolSize ?? 4));
        return user.wrap([command, ini]);
      },
      env: libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(path.delimiter) },
      // It has nothing to save. On SIGINT and SIGTERM some versions wait for their clients.
      signals: "SIGQUIT:3000,SIGKILL:5000",
      url: (port) => {
        const url = new URL(options.target);
        url.host = `127.0.0.1:${port}`;
        return url.href;
      },
      ping: (url) => query(url, "SELECT 1"),
    });
  });
}

function configuration(target: URL, port: number, users: string, poolSize: number): string {
  return `[databases]
* = host=${quoteValue(target.hostname)} port=${target.port === "" ? 5432 : target.port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`;
}

function quoteValue(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function quoteUser(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
