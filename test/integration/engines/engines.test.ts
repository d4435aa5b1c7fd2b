import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { installEngine } from "../../../ops/engines/install.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { checkout, npmBin } from "../../../ops/process.ts";
import { isAlive, processesOf } from "./processes.ts";
import { Scratch, until } from "./scratch.ts";

/** How the tests talk to an engine: each through the client that people use. */
interface Client {
  readonly name: "postgres" | "clickhouse" | "hyper";
  readonly start: (dataDir: string) => Promise<Engine>;
  /** Runs statements one by one; the rows of the last one. */
  readonly run: (url: string, ...statements: string[]) => Promise<unknown[]>;
  readonly createTable: string;
  /** Brings to disk what is committed, where a commit does not. */
  readonly flush?: (url: string) => Promise<unknown>;
}

async function runPg(url: string, ...statements: string[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let rows: unknown[] = [];
    for (const statement of statements) rows = (await client.query<Record<string, unknown>>(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

async function runClickHouse(url: string, ...statements: string[]): Promise<unknown[]> {
  await using client = createClient({ url, log: { level: ClickHouseLogLevel.OFF } });
  for (const query of statements.slice(0, -1)) await client.command({ query });
  const last = statements.at(-1) ?? "";
  if (!last.startsWith("SELECT")) {
    await client.command({ query: last });
    return [];
  }
  return await (await client.query({ query: last, format: "JSONEachRow" })).json();
}

const clients: readonly Client[] = [
  {
    name: "postgres",
    start: (dataDir) => startEngine("postgres", { dataDir, durable: false }),
    run: runPg,
    createTable: "CREATE TABLE kept (n int)",
  },
  {
    name: "clickhouse",
    start: (dataDir) => startEngine("clickhouse", { dataDir }),
    run: runClickHouse,
    createTable: "CREATE TABLE kept (n Int32) ENGINE = MergeTree ORDER BY n",
  },
  {
    name: "hyper",
    start: (dataDir) => startEngine("hyper", { dataDir }),
    run: runPg,
    createTable: "CREATE TABLE kept (n int)",
    // It writes its file when nobody uses the database any more: docs/adr/0031.
    flush: (url) => runPg(url, `UNLOAD DATABASE "${decodeURI(new URL(url).pathname.slice(1))}"`),
  },
];

let scratch: Scratch;
beforeAll(() => {
  scratch = new Scratch();
});
afterAll(() => {
  scratch[Symbol.dispose]();
});

describe.each(clients)("$name", ({ name, start, run, createTable, flush }) => {
  beforeAll(() => installEngine(name), 900_000);

  test("answers on loopback, keeps its rows and its password over a restart, and is gone when it is stopped", async () => {
    const folder = scratch.folder();
    const first = await start(folder);
    expect(new URL(first.url).hostname).toBe("127.0.0.1");
    await run(first.url, createTable, "INSERT INTO kept VALUES (1), (2)");
    const { guard, engine } = processesOf(folder);
    expect(engine.length).toBeGreaterThan(0);
    await first.stop();
    expect([guard, ...engine.map(({ pid }) => pid)].filter(isAlive)).toEqual([]);
    await expect(run(first.url, "SELECT 1 AS one")).rejects.toThrow();

    await using again = await start(folder);
    expect(new URL(again.url).password).toBe(new URL(first.url).password);
    expect(await run(again.url, "SELECT n FROM kept ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("lets nobody in without the password", async () => {
    await using engine = await start(scratch.folder());
    // Hyper takes its time to refuse: both at once.
    await Promise.all(
      ["wrong", ""].map(async (password) => {
        const url = new URL(engine.url);
        url.password = password;
        await expect(run(url.href, "SELECT 1 AS one")).rejects.toThrow();
      }),
    );
  });

  test("runs twice at once on different ports, with data of its own", async () => {
    await using started = new AsyncDisposableStack();
    const folders = [scratch.folder(), scratch.folder()] as const;
    const [one, two] = await Promise.all([start(folders[0]), start(folders[1])]);
    started.use(one);
    started.use(two);
    expect(one.port).not.toBe(two.port);
    await run(one.url, createTable, "INSERT INTO kept VALUES (1)");
    await run(two.url, createTable, "INSERT INTO kept VALUES (2)");
    expect(await run(one.url, "SELECT n FROM kept")).toEqual([{ n: 1 }]);
    expect(await run(two.url, "SELECT n FROM kept")).toEqual([{ n: 2 }]);
  });

  test("leaves no process when the process that started it is killed with -9, and its rows are there afterwards", async () => {
    const folder = scratch.folder();
    const script = path.join(checkout, "ops/engines/main.ts");
    const starter = spawn(npmBin("node"), [script, name, "--data-dir", folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { value: url } = await createInterface({ input: starter.stdout })[Symbol.asyncIterator]().next();
    await run(String(url), createTable, "INSERT INTO kept VALUES (1)");
    const { guard, engine } = processesOf(folder);
    const pids = [guard, ...engine.map(({ pid }) => pid)];
    expect(pids.length).toBeGreaterThan(1);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    // At once, while the guard is still ending the old one: it waits for that.
    await using again = await start(folder);
    expect(await run(again.url, "SELECT n FROM kept")).toEqual([{ n: 1 }]);
    await until(() => !pids.some(isAlive), "none of the old processes is left");
  });

  test("refuses a folder that another engine uses, and says who started that", async () => {
    const folder = scratch.folder();
    await using engine = await start(folder);
    await expect(start(folder)).rejects.toMatchObject({
      code: "data_folder_in_use",
      message: expect.stringContaining(`process ${process.pid}`) as unknown,
    });
    await run(engine.url, "SELECT 1 AS one");
  });

  test("comes back with its rows after it was itself killed with -9", async () => {
    const folder = scratch.folder();
    const first = await start(folder);
    await run(first.url, createTable, "INSERT INTO kept VALUES (1)");
    await flush?.(first.url);
    for (const { pid } of processesOf(folder).engine) killHard(pid);
    await first.ended;
    await using again = await start(folder);
    expect(await run(again.url, "SELECT n FROM kept")).toEqual([{ n: 1 }]);
  });
});

/** A child of the engine may have gone with its parent already. */
function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
