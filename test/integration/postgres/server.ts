import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Engine, PostgresOptions } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";

/** The rows of a query, as the server writes them. */
export type TextRows = (string | null)[][];

/** A PostgreSQL of one test file, and a client of it that is not the store's own. */
export class Server {
  readonly url: string;
  readonly engine: Engine;
  readonly folder: string;
  readonly #client: pg.Client;

  private constructor(engine: Engine, folder: string, client: pg.Client) {
    this.engine = engine;
    this.url = engine.url;
    this.folder = folder;
    this.#client = client;
  }

  static async start(options: Partial<PostgresOptions> = {}): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "postgres-store-"));
    const engine = await startEngine("postgres", { dataDir: join(folder, "data"), durable: false, ...options });
    return new Server(engine, folder, await connect(engine.url));
  }

  /** Runs SQL, one statement or several; the rows of the last one. */
  async sql(text: string): Promise<TextRows> {
    return await textOf(this.#client, text);
  }

  async stop(): Promise<void> {
    await this.#client.end();
    await this.engine.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A client of its own, in UTC. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {
    // A test that ends connections knows.
  });
  await client.connect();
  await client.query("SET timezone = 'UTC'");
  return client;
}

/** Runs SQL; values as text, booleans in full. */
export async function textOf(client: pg.Client, text: string): Promise<TextRows> {
  const isBoolean = (oid: number): boolean => oid === 16;
  const results = (await client.query({
    text,
    rowMode: "array",
    types: {
      getTypeParser: (oid: number) => (value: string) => (isBoolean(oid) ? (value === "t" ? "true" : "false") : value),
    },
  })) as pg.QueryArrayResult<(string | null)[]> | pg.QueryArrayResult<(string | null)[]>[];
  return (Array.isArray(results) ? results.at(-1) : results)?.rows ?? [];
}
