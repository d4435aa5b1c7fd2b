import { mkdtempSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import { parquet, type z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import type { Attempt, CheckOutcome, StagedFacts, Store, Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, publish, targetOf, type TextRows } from "../duckdb/warehouse.ts";

export { attempt, publish } from "../duckdb/warehouse.ts";

/** A Hyper server for the tests of one file. */
export class HyperServer {
  #engine: Engine | undefined;
  #dir: string | undefined;

  /** Starts it before the tests and stops it after them. */
  static forThisFile(): HyperServer {
    const server = new HyperServer();
    beforeAll(async () => {
      server.#dir = mkdtempSync(join(tmpdir(), "hyper-"));
      server.#engine = await startEngine("hyper", { dataDir: join(server.#dir, "engine") });
    });
    afterAll(async () => {
      await server.#engine?.stop();
      if (server.#dir !== undefined) rmSync(server.#dir, { recursive: true, force: true });
    });
    return server;
  }

  get url(): string {
    if (this.#engine === undefined) throw new TypeError("the server starts before the tests");
    return this.#engine.url;
  }

  /** A folder that the server can read. */
  get dir(): string {
    if (this.#dir === undefined) throw new TypeError("the server starts before the tests");
    return this.#dir;
  }

  /** A store and a reader of its own, closed when the test ends. */
  async open(env: Readonly<Record<string, string>> = {}): Promise<Warehouse> {
    const store = await hyper.open(this.dir, { HYPER_URL: this.url, ...env });
    const reader = await connect(this.url);
    onTestFinished(async () => {
      await store.close();
      await reader.end();
    });
    return new Warehouse(store, reader);
  }
}

/** A store with a schema that no other test has. */
export class Warehouse {
  readonly store: Store;
  readonly schema: string;
  readonly #reader: Client;

  constructor(store: Store, reader: Client) {
    this.store = store;
    this.#reader = reader;
    this.schema = `t_${randomUUID().slice(0, 8)}`;
  }

  target(
    shape: Readonly<Record<string, z.ZodType>>,
    strategy: WriteStrategy = { kind: "replace" },
    table = "x",
  ): Target {
    return { ...targetOf(shape, `${this.schema}/${table}`), strategy };
  }

  /** The same, of an asset that chose to be swapped when its columns change. */
  changeable(shape: Readonly<Record<string, z.ZodType>>, strategy?: WriteStrategy): Target {
    return { ...this.target(shape, strategy), storage: { hyper: { interruptReaders: true } } };
  }

  async publishRows(target: Target, rows: readonly object[], change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    const writer = await this.store.stageRows(target, given);
    await writer.append(rows as readonly Record<string, unknown>[]);
    return await publish(await writer.finish(), target, given);
  }

  async publishQuery(target: Target, sql: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    return await publish(await this.store.stageQuery(target, sql, null, given), target, given);
  }

  async publishCopy(
    target: Target,
    path: string,
    columns: Readonly<Record<string, string>> = {},
  ): Promise<StagedFacts> {
    const given = attempt();
    const staged = await this.store.stageCopy(target, parquet(path), new Map(Object.entries(columns)), given);
    return await publish(staged, target, given);
  }

  /** Checks rows without publishing them. */
  async check(target: Target, rows: readonly object[], checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const writer = await this.store.stageRows(target, attempt());
    await writer.append(rows as readonly Record<string, unknown>[]);
    const staged = await writer.finish();
    try {
      return await staged.check(checks);
    } finally {
      await staged.discard();
    }
  }

  /** Runs SQL as another client does. */
  async sql(text: string): Promise<TextRows> {
    return await query(this.#reader, text);
  }
}

export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  // Else doubles are shown with 15 digits.
  await client.query("SET extra_float_digits = 3");
  return client;
}

/** Values as the server writes them. */
export async function query(client: Client, text: string): Promise<TextRows> {
  const types = { getTypeParser: () => (value: string | Buffer) => String(value) };
  return (await client.query<(string | null)[]>({ text, rowMode: "array", types })).rows;
}
