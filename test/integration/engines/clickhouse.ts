import { ClickHouseLogLevel, createClient, type ClickHouseClient } from "@clickhouse/client";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { installEngine } from "../../../ops/engines/install.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { Scratch } from "./scratch.ts";

/** A ClickHouse for one test file, with a database of its own for each test. */
export interface TestClickHouse {
  readonly scratch: Scratch;
  readonly engine: Engine;
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly connect: (options: Parameters<typeof createClient>[0]) => ClickHouseClient;
  readonly run: (query: string) => Promise<unknown>;
  readonly rows: <T>(query: string, params?: Record<string, unknown>) => Promise<T[]>;
  /** Sends a request as it is; the client would not. */
  readonly post: (
    search: Readonly<Record<string, string>>,
    body: string | Buffer,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }>;
}

/** Call it once, at the top of a test file. */
export function useClickHouse(): TestClickHouse {
  let engine: Engine;
  let client: ClickHouseClient;
  let database = "";
  let count = 0;
  const scratch = new Scratch();
  const connect: TestClickHouse["connect"] = (options) =>
    createClient({ url: engine.url, log: { level: ClickHouseLogLevel.OFF }, ...options });

  beforeAll(async () => {
    await installEngine("clickhouse");
    engine = await startEngine("clickhouse", { dataDir: scratch.folder() });
  }, 900_000);
  beforeEach(async () => {
    count += 1;
    database = `test_${count}`;
    await using admin = connect({});
    await admin.command({ query: `CREATE DATABASE ${database}` });
    client = connect({ database });
    return () => client.close();
  });
  afterAll(async () => {
    await engine.stop();
    scratch[Symbol.dispose]();
  });

  return {
    scratch,
    get engine() {
      return engine;
    },
    get client() {
      return client;
    },
    get database() {
      return database;
    },
    connect,
    run: (query) => client.command({ query }),
    rows: async <T>(query: string, params?: Record<string, unknown>) => {
      const bound = params === undefined ? {} : { query_params: params };
      return (await client.query({ query, format: "JSONEachRow", ...bound })).json<T>();
    },
    post: async (search, body, headers = {}) => {
      const { origin, username, password } = new URL(engine.url);
      const answer = await fetch(`${origin}/?${new URLSearchParams({ database, ...search }).toString()}`, {
        method: "POST",
        headers: { "X-ClickHouse-User": username, "X-ClickHouse-Key": password, ...headers },
        body: typeof body === "string" ? body : new Uint8Array(body),
      });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    },
  };
}
