import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { installEngine } from "../../../ops/engines/install.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { checkout, npmBin } from "../../../ops/process.ts";
import { isAlive, processesOf } from "./processes.ts";
import { Scratch, until } from "./scratch.ts";

// One server connection: what a session leaves behind, the next one meets.
const poolSize = 1;

let scratch: Scratch;
let server: Engine;
let bouncer: Engine;

beforeAll(async () => {
  scratch = new Scratch();
  await installEngine("postgres");
  await installEngine("pgbouncer");
  server = await startEngine("postgres", { dataDir: scratch.folder(), durable: false });
  bouncer = await startEngine("pgbouncer", { dataDir: scratch.folder(), target: server.url, poolSize });
}, 900_000);
afterAll(async () => {
  await bouncer.stop();
  await server.stop();
  scratch[Symbol.dispose]();
});

async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: bouncer.url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What `pg` has for COPY; its types leave it out. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** One COPY … FROM STDIN. `pg` knows the messages and leaves the conversation to its callers. */
class CopyIn implements pg.Submittable {
  readonly done: Promise<void>;
  readonly #statement: string;
  readonly #rows: string;
  #settle: { resolve: () => void; reject: (error: Error) => void };

  constructor(statement: string, rows: string) {
    this.#statement = statement;
    this.#rows = rows;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.done = promise;
    this.#settle = {
      resolve: () => {
        resolve(undefined);
      },
      reject,
    };
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#statement);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(Buffer.from(this.#rows));
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {
    // The end of the conversation follows.
  }

  handleReadyForQuery(): void {
    this.#settle.resolve();
  }

  handleError(error: Error): void {
    this.#settle.reject(error);
  }
}

test("a server connection belongs to a client for one transaction", async () => {
  await connected(async (one) => {
    await connected(async (two) => {
      const pid = async (client: pg.Client): Promise<unknown> =>
        (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;
      expect(await pid(one)).toBe(await pid(two));
    });
  });
});

test("an unnamed statement with parameters runs", async () => {
  await connected(async (client) => {
    const { rows } = await client.query("SELECT $1::int + 1 AS next, $2::text AS text", [41, "a'b"]);
    expect(rows).toEqual([{ next: 42, text: "a'b" }]);
  });
});

test("SET LOCAL holds for its transaction alone", async () => {
  await connected(async (client) => {
    await client.query("BEGIN");
    await client.query("SET LOCAL statement_timeout = '123s'");
    expect((await client.query("SHOW statement_timeout")).rows).toEqual([{ statement_timeout: "123s" }]);
    await client.query("COMMIT");
    expect((await client.query("SHOW statement_timeout")).rows).toEqual([{ statement_timeout: "0" }]);
  });
});

test("COPY takes rows in", async () => {
  await connected(async (client) => {
    await client.query("CREATE TABLE copied (n int, t text)");
    await client.query(new CopyIn("COPY copied FROM STDIN (FORMAT csv)", "1,one\n2,two\n")).done;
    expect((await client.query("SELECT * FROM copied ORDER BY n")).rows).toEqual([
      { n: 1, t: "one" },
      { n: 2, t: "two" },
    ]);
  });
});

test("it is gone when the process that started it is killed with -9", async () => {
  const folder = scratch.folder();
  const args = ["ops/engines/main.ts", "pgbouncer", "--data-dir", folder, "--target", server.url];
  const starter = spawn(npmBin("node"), args, { cwd: checkout, stdio: ["ignore", "pipe", "inherit"] });
  await createInterface({ input: starter.stdout })[Symbol.asyncIterator]().next();
  const { guard, engine } = processesOf(folder);
  starter.kill("SIGKILL");
  await until(() => ![guard, ...engine.map(({ pid }) => pid)].some(isAlive), "gone");
});

test("it is gone when it is stopped, and the server behind it is not", async () => {
  const folder = scratch.folder();
  const second = await startEngine("pgbouncer", { dataDir: folder, target: server.url });
  const { guard, engine } = processesOf(folder);
  await second.stop();
  expect([guard, ...engine.map(({ pid }) => pid)].filter(isAlive)).toEqual([]);
  await connected((client) => client.query("SELECT 1"));
});
