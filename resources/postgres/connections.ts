import { literal } from "../quote.ts";
import { Client } from "./client.ts";
import type { PostgresConfig } from "./config.ts";
import { ConnectionLostError } from "./errors.ts";

/** Who works in a transaction. */
export interface Work {
  readonly assetKey: string;
  readonly runId: string;
  /** Ends the running statement when the run is terminated. */
  readonly signal?: AbortSignal;
  /** Whether a commit waits for the server's disk. Without, a crash of the server may undo it. @default true */
  readonly isDurable?: boolean;
  /** Whether it only reads, as it must on a replica. @default false */
  readonly isReadOnly?: boolean;
  /** Whether all statements see the tables as they were when the first one began. @default false */
  readonly isSnapshot?: boolean;
}

/** Of the name of an application the server keeps so many bytes. */
const MAX_APPLICATION_NAME = 63;
const CANCEL_EVERY_MS = 200;

/** The connections of one store: a transaction has one of its own for its duration. */
export class Connections {
  readonly config: PostgresConfig;
  #idle: Client[] = [];

  constructor(config: PostgresConfig) {
    this.config = config;
  }

  /** Begins a transaction on a connection of its own; whoever asked ends it. */
  async begin(work: Work): Promise<Transaction> {
    work.signal?.throwIfAborted();
    for (;;) {
      const reused = this.#idle.pop();
      const client = reused ?? (await Client.connect(this.config));
      try {
        const beginning = (): Promise<void> => client.script([begin(work), this.#settings(work)]);
        // Who waits behind PgBouncer for a server waits on a new connection.
        await (reused === undefined ? beginning() : client.promptly(beginning));
        return new Transaction(client, work.signal, () => this.#release(client));
      } catch (error) {
        await client.end();
        // Ended by the server or by a firewall since it was used last.
        if (reused !== undefined && error instanceof ConnectionLostError) continue;
        throw error;
      }
    }
  }

  /** Runs `act` in a transaction: committed when it ends, rolled back when it throws. */
  async transaction<T>(work: Work, act: (client: Client) => Promise<T>): Promise<T> {
    const transaction = await this.begin(work);
    try {
      const result = await transaction.run(act);
      await transaction.commit();
      return result;
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
  }

  async close(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    await Promise.all(idle.map((client) => client.end()));
  }

  /** All settings that hold in a transaction; none outlives it, as PgBouncer requires. */
  #settings({ assetKey, runId, isDurable = true }: Work): string {
    const settings = {
      application_name: applicationName(assetKey, runId),
      statement_timeout: String(this.config.statementTimeoutMs),
      lock_timeout: String(this.config.lockTimeoutMs),
      timezone: "UTC",
      datestyle: "ISO",
      intervalstyle: "postgres",
      extra_float_digits: "1",
      standard_conforming_strings: "on",
    };
    const calls = Object.entries(settings).map(([name, value]) => `set_config('${name}', ${literal(value)}, true)`);
    // A user may have it off, whose publishes a crash would undo after they were reported, and a replica not yet know of.
    const durable = "COALESCE(NULLIF(current_setting('synchronous_commit'), 'off'), 'local')";
    calls.push(`set_config('synchronous_commit', ${isDurable ? durable : "'off'"}, true)`);
    return `SELECT ${calls.join(", ")}`;
  }

  async #release(client: Client): Promise<void> {
    if (client.isBroken) await client.end();
    else this.#idle.push(client);
  }
}

/** An open transaction and its connection. */
export class Transaction {
  readonly #client: Client;
  readonly #signal: AbortSignal | undefined;
  #release: (() => Promise<void>) | undefined;

  constructor(client: Client, signal: AbortSignal | undefined, release: () => Promise<void>) {
    this.#client = client;
    this.#signal = signal;
    this.#release = release;
  }

  /** Runs `act`; its statement is cancelled when the run is terminated. */
  async run<T>(act: (client: Client) => Promise<T>): Promise<T> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const end = this.#cancelOnAbort();
    try {
      return await act(this.#client);
    } catch (error) {
      // Not the cancelled statement is what went wrong then.
      signal?.throwIfAborted();
      throw error;
    } finally {
      await end();
    }
  }

  /** The rows of COPY … TO STDOUT; the server stops when the run is terminated. To be read to its end. */
  async *copyOut(text: string): AsyncGenerator<Uint8Array> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const end = this.#cancelOnAbort();
    try {
      yield* this.#client.copyOut(text);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      await end();
    }
  }

  async commit(): Promise<void> {
    const tag = await this.#client.run("COMMIT");
    await this.#end();
    // So does the server answer when a statement in the transaction had failed.
    if (tag !== "COMMIT") throw new TypeError(`the transaction ended with ${tag}`);
  }

  /** Rolls back what is not committed; nothing happens when all is. */
  async rollback(): Promise<void> {
    if (this.#release === undefined) return;
    // A transaction on a broken connection is rolled back by the server.
    await this.#client.promptly(() => this.#client.run("ROLLBACK")).catch(() => undefined);
    await this.#end();
  }

  /** @returns what ends it, after the last request: a late one would end the next statement of the session. */
  #cancelOnAbort(): () => Promise<void> {
    let asked: Promise<unknown> = Promise.resolve();
    let timer: NodeJS.Timeout | undefined;
    let deadline: number | undefined;
    const cancel = (): void => {
      deadline ??= performance.now() + this.#client.graceMs;
      if (performance.now() > deadline) {
        // The server hears nothing any more.
        this.#client.cut();
        return;
      }
      asked = Promise.all([asked, this.#client.cancel()]);
      timer = setTimeout(cancel, CANCEL_EVERY_MS);
    };
    this.#signal?.addEventListener("abort", cancel, { once: true });
    return async () => {
      this.#signal?.removeEventListener("abort", cancel);
      clearTimeout(timer);
      if (!this.#client.isBroken) await asked;
    };
  }

  async #end(): Promise<void> {
    const release = this.#release;
    this.#release = undefined;
    await release?.();
  }
}

function begin({ isReadOnly = false, isSnapshot = false }: Work): string {
  return `BEGIN ISOLATION LEVEL ${isSnapshot ? "REPEATABLE READ" : "READ COMMITTED"} READ ${isReadOnly ? "ONLY" : "WRITE"}`;
}

/** Asset and run, in so many bytes: the run is kept whole, since it says which log to open. */
export function applicationName(assetKey: string, runId: string): string {
  const run = runId.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, MAX_APPLICATION_NAME);
  const asset = assetKey.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, Math.max(0, MAX_APPLICATION_NAME - run.length - 1));
  return `${asset} ${run}`.trim();
}
