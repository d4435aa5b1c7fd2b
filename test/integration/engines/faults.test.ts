import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Engine, EngineName } from "../../../ops/engines/engine.ts";
import { installEngine } from "../../../ops/engines/install.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { descendantsOf } from "./processes.ts";
import { Scratch } from "./scratch.ts";

const TARGET = "postgres://nobody:none@127.0.0.1:1/none";
const start = (name: EngineName, options: { dataDir: string; port?: number }): Promise<Engine> =>
  startEngine(name, name === "pgbouncer" ? { ...options, target: TARGET } : options);

let scratch: Scratch;
beforeAll(() => {
  scratch = new Scratch();
});
afterAll(() => {
  scratch[Symbol.dispose]();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(["postgres", "clickhouse", "hyper", "pgbouncer"] as const)("%s", (name) => {
  beforeAll(() => installEngine(name), 900_000);

  test("says that a port is taken, and leaves neither process nor claim", async () => {
    // It takes questions and answers none.
    const asking: Socket[] = [];
    const other = createServer((socket) => asking.push(socket)).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const dataDir = scratch.folder();
    await expect(start(name, { dataDir, port })).rejects.toMatchObject({
      code: "port_taken",
      message: expect.stringContaining(String(port)) as unknown,
    });
    expect(descendantsOf(process.pid).filter(({ command }) => command.includes("guard.ts"))).toEqual([]);
    expect(existsSync(path.join(dataDir, "in_use.json"))).toBe(false);
    for (const socket of asking) socket.destroy();
    other.close();
  });

  test("says that a data folder cannot be written", async () => {
    const file = scratch.folder();
    writeFileSync(file, "");
    await expect(start(name, { dataDir: path.join(file, "data") })).rejects.toMatchObject({
      code: "data_folder_not_writable",
      message: expect.stringContaining(file) as unknown,
    });
  });
});

describe("an engine that cannot start", () => {
  test("shows the end of its log", async () => {
    const options = { dataDir: scratch.folder(), settings: { shared_buffers: "much" } };
    await expect(startEngine("postgres", options)).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringContaining('invalid value for parameter "shared_buffers": "much"') as unknown,
    });
    await using again = await startEngine("postgres", { dataDir: options.dataDir });
    expect(again.port).toBeGreaterThan(0);
  });

  test("leaves no half-made cluster for the next start", async () => {
    const dataDir = scratch.folder();
    mkdirSync(path.join(dataDir, "cluster.unfinished"), { recursive: true });
    writeFileSync(path.join(dataDir, "cluster.unfinished/PG_VERSION"), "18");
    await using engine = await startEngine("postgres", { dataDir, durable: false });
    expect(readdirSync(dataDir).sort()).toEqual(["cluster", "in_use.json", "log", "password"]);
    expect(engine.port).toBeGreaterThan(0);
  });
});

describe("an engine that cannot be installed", () => {
  test.each(["postgres", "clickhouse"] as const)("names the reason and what to do: %s from npm", async (name) => {
    vi.stubEnv("npm_config_registry", "http://127.0.0.1:1/");
    vi.stubEnv("npm_config_cache", scratch.folder());
    vi.stubEnv("npm_config_fetch_retries", "0");
    const home = scratch.folder();
    await expect(installEngine(name, home)).rejects.toMatchObject({
      code: "cannot_install",
      message: expect.stringMatching(`${name} could not be installed[^]*Check the network`) as unknown,
    });
    expect(existsSync(path.join(home, name, "set_up.json"))).toBe(false);
  });
});
