// ClickHouse over HTTP, for one data folder: `node main.ts '{"home": …, "folder": …, "port": 0, "maxQueries": 8}'`.
//
// The registries hold no server of ClickHouse, but the engine itself as a library (npm `chdb`). This process puts the
// HTTP interface in front of it, as far as clients need it. Each request gets a connection of its own, so that
// settings, parameters and the current database never meet those of another request, and several run at once.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Chdb } from "./chdb.ts";
import { Front } from "./front.ts";

interface Arguments {
  readonly home: string;
  readonly folder: string;
  readonly port: number;
  readonly maxQueries: number;
  readonly configFile?: string;
}

const { home, folder, port, maxQueries, configFile } = JSON.parse(process.argv[2] ?? "{}") as Arguments;
/** `http_max_uri_size` of a server: an insert with many columns and its rows in the body has its text in the URL. */
const MAX_URI_BYTES = 1024 * 1024;

const bodies = makeBodyFolder();
const chdb = new Chdb(home, path.join(folder, "data"), configFile);
const password = readFileSync(path.join(folder, "password"), "utf8");
const front = new Front(chdb, { password, folder: bodies, maxQueries });

const server = createServer(
  { keepAliveTimeout: 30_000, requestTimeout: 0, maxHeaderSize: MAX_URI_BYTES },
  (request, response) => {
    front.handle(request, response);
  },
);
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
server.listen(port, "127.0.0.1", () => {
  console.log(`ClickHouse ${chdb.version} listening on 127.0.0.1:${(server.address() as AddressInfo).port}`);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());

async function stop(): Promise<void> {
  server.close();
  await front.stop();
  chdb.close();
  rmSync(bodies, { recursive: true, force: true });
  process.exit(0);
}

/** Where large bodies wait. The engine reads their names as patterns, so the folder must not look like one. */
function makeBodyFolder(): string {
  const wanted = path.join(folder, "bodies");
  rmSync(wanted, { recursive: true, force: true });
  if (/[*?{}[\]]/.test(wanted)) return mkdtempSync(path.join(tmpdir(), "clickhouse_bodies_"));
  mkdirSync(wanted);
  return wanted;
}
