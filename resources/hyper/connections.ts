import { Client } from "./client.ts";
import type { HyperConfig } from "./config.ts";

/** The sessions of one store: one for each table that is being staged, kept for the next. */
export class Connections {
  readonly #config: HyperConfig;
  readonly #idle: Client[] = [];

  constructor(config: HyperConfig) {
    this.#config = config;
  }

  /** How long a publish waits for another of the same table. */
  get lockTimeoutMs(): number {
    return this.#config.lockTimeoutMs;
  }

  /** A session of one's own, until it is given back. */
  async take(signal: AbortSignal, applicationName: string): Promise<Client> {
    for (let client = this.#idle.pop(); client !== undefined; client = this.#idle.pop()) {
      if (!client.usable) continue;
      try {
        // Also finds out whether the server is still there.
        await client.serve(signal, applicationName);
        return client;
      } catch {
        signal.throwIfAborted();
        await client.close();
      }
    }
    const client = await Client.open(this.#config);
    try {
      await client.serve(signal, applicationName);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Gives a session back, without a transaction and without tables of its own. */
  give(client: Client): void {
    client.serveNobody();
    if (client.usable) this.#idle.push(client);
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((client) => client.close()));
  }
}
